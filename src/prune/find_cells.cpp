#include <algorithm>
#include <map>
#include <tuple>

#include "prune/cells.h"

namespace tinyml::prune {

std::vector<Cell> find_cells(const DependencyGraph& dependencies, const Subgraph& subgraph) {
  // (producer or constraint, row, times it occurs there), for each unit.
  using Place = std::tuple<bool, size_t, size_t>;
  std::map<UnitId, std::map<Place, int64_t>> places;
  for (UnitId unit : subgraph.units) places[unit];
  for (size_t index : subgraph.producers) {
    for (UnitId unit : *dependencies.axes[index].units) {
      if (unit != kPinnedUnit) ++places[unit][{false, index, 0}];
    }
  }
  for (size_t index : subgraph.constraints) {
    const EqualCount& constraint = dependencies.constraints[index];
    const auto row = static_cast<size_t>(constraint.shape.back());
    for (size_t i = 0; i < constraint.units->size(); ++i) {
      const UnitId unit = (*constraint.units)[i];
      if (unit != kPinnedUnit) ++places[unit][{true, index, i / row}];
    }
  }
  std::map<std::map<Place, int64_t>, size_t> known;
  std::vector<Cell> cells;
  for (const auto& [unit, own] : places) {
    const auto [entry, is_new] = known.emplace(own, cells.size());
    if (is_new) {
      Cell& cell = cells.emplace_back();
      for (const auto& [place, times] : own) {
        cell.constrained = cell.constrained || std::get<0>(place);
        if (std::get<0>(place)) continue;
        cell.producers.push_back(std::get<1>(place));
        cell.width = std::max(cell.width, times);
      }
    }
    cells[entry->second].units.push_back(unit);
  }
  return cells;
}

}  // namespace tinyml::prune
