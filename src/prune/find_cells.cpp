#include <algorithm>
#include <map>
#include <unordered_map>

#include "prune/cells.h"

namespace tinyml::prune {
namespace {

/// Splits classes of units by how often each unit occurs in a list, and in which row of it.
class Partition {
 public:
  explicit Partition(const std::vector<UnitId>& units) {
    for (UnitId unit : units) classes_.emplace(unit, 0);
  }

  void refine(const std::vector<UnitId>& list, size_t row_length) {
    // A unit's occurrences in one list: (row, times), rows in order.
    std::unordered_map<UnitId, std::vector<std::pair<size_t, int64_t>>> places;
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i] == kPinnedUnit) continue;
      auto& own = places[list[i]];
      if (own.empty() || own.back().first != i / row_length) own.emplace_back(i / row_length, 0);
      ++own.back().second;
    }
    std::map<std::pair<size_t, std::vector<std::pair<size_t, int64_t>>>, size_t> known;
    for (auto& [unit, own] : places) {
      size_t& current = classes_.at(unit);
      current = known.emplace(std::pair(current, std::move(own)), next_ + known.size()).first->second;
    }
    next_ += known.size();
  }

  size_t class_of(UnitId unit) const { return classes_.at(unit); }

 private:
  std::unordered_map<UnitId, size_t> classes_;
  size_t next_ = 1;
};

}  // namespace

std::vector<Cell> find_cells(const DependencyGraph& dependencies, const Subgraph& subgraph) {
  Partition partition(subgraph.units);
  for (size_t index : subgraph.producers) {
    const std::vector<UnitId>& units = *dependencies.axes[index].units;
    partition.refine(units, units.size());
  }
  for (size_t index : subgraph.constraints) {
    const EqualCount& constraint = dependencies.constraints[index];
    partition.refine(*constraint.units, static_cast<size_t>(constraint.shape.back()));
  }
  std::vector<Cell> cells;
  std::unordered_map<size_t, size_t> cell_of_class;
  for (UnitId unit : subgraph.units) {
    const auto [entry, is_new] = cell_of_class.emplace(partition.class_of(unit), cells.size());
    if (is_new) cells.emplace_back();
    cells[entry->second].units.push_back(unit);
  }
  // What holds for a cell's first unit holds for all.
  std::unordered_map<UnitId, Cell*> first;
  for (Cell& cell : cells) first.emplace(cell.units.front(), &cell);
  for (size_t index : subgraph.producers) {
    std::unordered_map<Cell*, int64_t> times;
    for (UnitId unit : *dependencies.axes[index].units) {
      if (const auto cell = first.find(unit); cell != first.end()) ++times[cell->second];
    }
    for (const auto& [cell, count] : times) {
      cell->producers.push_back(index);
      cell->width = std::max(cell->width, count);
    }
  }
  for (size_t index : subgraph.constraints) {
    for (UnitId unit : *dependencies.constraints[index].units) {
      if (const auto cell = first.find(unit); cell != first.end()) cell->second->constrained = true;
    }
  }
  return cells;
}

}  // namespace tinyml::prune
