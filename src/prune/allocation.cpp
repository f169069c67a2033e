#include "prune/allocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "prune/suggest_remedy.h"

namespace tinyml::prune {
namespace {

/// Whether `fqn` is that parameter or lies in that module.
bool belongs_to(const std::string& fqn, const std::string& name) {
  return fqn == name || (fqn.size() > name.size() && fqn[name.size()] == '.' && fqn.compare(0, name.size(), name) == 0);
}

void check_names(const Graph& graph, const PruningConfig& config) {
  std::set<std::string> names;
  for (const Binding& binding : graph.bindings()) {
    names.insert(binding.fqn);
    for (size_t dot = binding.fqn.find('.'); dot != std::string::npos; dot = binding.fqn.find('.', dot + 1)) {
      names.insert(binding.fqn.substr(0, dot));
    }
  }
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    for (const ModuleCall& call : graph.node(id).metadata.module_stack) names.insert(call.path);
  }
  const std::vector<std::string> all(names.begin(), names.end());
  std::vector<Diagnostic> problems;
  const auto check = [&](const std::string& key, const std::string& name) {
    if (names.contains(name)) return;
    problems.push_back({fmt::format("{} names '{}', which the model does not have", key, name),
                        "",
                        {},
                        suggest_remedy(name, all, "give the path of a module or parameter as in named_parameters()")});
  };
  for (const std::string& name : config.exclude_ops) check("exclude_ops", name);
  for (const auto& [name, sparsity] : config.layer_sparsity) check("sparsity", name);
  if (!problems.empty()) throw Error("the pruning config does not fit the model", std::move(problems));
}

/// The weight of the last linear layer in execution order, "" if there is none or convolutions follow it.
std::string last_linear_weight(const Graph& graph) {
  std::string result;
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    const Node& node = graph.node(id);
    if (node.op.rfind("aten.conv", 0) == 0) result.clear();
    if (node.op != "aten.linear.default" || !node.args[1].value.is_value()) continue;
    if (const Binding* binding = graph.binding_of(node.args[1].value.as_value()); binding != nullptr)
      result = binding->fqn;
  }
  return result;
}

/// Whether every row (all indices but the last) keeps equally many.
bool has_equal_rows(const EqualCount& constraint, const std::vector<bool>& kept) {
  const int64_t row = constraint.shape.back();
  int64_t first = -1;
  for (auto begin = constraint.units->begin(); begin != constraint.units->end(); begin += row) {
    const int64_t count = std::count_if(
        begin, begin + row, [&](UnitId unit) { return unit == kPinnedUnit || kept[static_cast<size_t>(unit)]; });
    if (first >= 0 && count != first) return false;
    first = count;
  }
  return true;
}

}  // namespace

Allocation::Allocation(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                       std::vector<double> scores)
    : dependencies_(dependencies), config_(config), part_of_unit_(static_cast<size_t>(dependencies.unit_count)) {
  check_names(graph, config);
  if (config.skip_last_fc) last_fc_ = last_linear_weight(graph);
  for (const Subgraph& subgraph : dependencies.subgraphs) {
    Part constrained;
    int64_t common = 0;
    for (Cell& cell : find_cells(dependencies, subgraph)) {
      std::stable_sort(cell.units.begin(), cell.units.end(), [&](UnitId a, UnitId b) {
        return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
      });
      const auto size = static_cast<int64_t>(cell.units.size());
      if (cell.constrained) {
        common = std::gcd(common, size);
        constrained.cells.push_back(std::move(cell));
      } else {
        parts_.push_back({{std::move(cell)}, size, size, -1.0, {}});
      }
    }
    if (constrained.cells.empty()) continue;
    constrained.steps = common;
    // Rows may hold unequal numbers of channels that must stay. Counts are linear in the share kept, so one share
    // tells.
    if (common > 1) {
      std::vector<bool> kept(part_of_unit_.size(), true);
      keep(constrained, common - 1, kept);
      const bool equal = std::all_of(subgraph.constraints.begin(), subgraph.constraints.end(), [&](size_t index) {
        return has_equal_rows(dependencies.constraints[index], kept);
      });
      if (!equal) constrained.steps = 1;
    }
    parts_.push_back(std::move(constrained));
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    parts_[i].own_sparsity = sparsity_of(dependencies, parts_[i].cells);
    set_reference(dependencies, parts_[i]);
    for (const Cell& cell : parts_[i].cells) {
      for (UnitId unit : cell.units) part_of_unit_[static_cast<size_t>(unit)] = i;
    }
  }
  if (config.scope == "global") rank_steps(scores);
}

void Allocation::rank_steps(const std::vector<double>& scores) {
  for (Part& part : parts_) {
    std::vector<double> sums(static_cast<size_t>(part.steps), 0.0);
    double units = 0.0, channels = 0.0;
    for (const Cell& cell : part.cells) {
      const size_t run = cell.units.size() / sums.size();
      for (size_t i = 0; i < cell.units.size(); ++i) sums[i / run] += scores[static_cast<size_t>(cell.units[i])];
      units += static_cast<double>(cell.units.size());
      channels += static_cast<double>(cell.units.size()) * static_cast<double>(cell.width);
    }
    for (double& sum : sums) {
      sum *= static_cast<double>(part.steps) / units;
      if (part.own_sparsity < 0.0) ranking_.push_back({sum, channels / static_cast<double>(part.steps)});
    }
    part.step_scores = std::move(sums);
  }
  std::stable_sort(ranking_.begin(), ranking_.end(),
                   [](const RankedStep& a, const RankedStep& b) { return a.score < b.score; });
}

double Allocation::threshold(double sparsity) const {
  double all = 0.0, below = 0.0;
  for (const RankedStep& step : ranking_) all += step.channels;
  for (const RankedStep& step : ranking_) {
    below += step.channels;
    if (below > sparsity * all + 1e-9) return step.score;
  }
  return ranking_.empty() ? 0.0 : ranking_.back().score;
}

double Allocation::share_removed(const Part& part, double sparsity, double threshold) const {
  if (part.own_sparsity >= 0.0) return std::min(part.own_sparsity, config_.max_sparsity);
  if (config_.scope == "global") {
    const auto removed = std::count_if(part.step_scores.begin(), part.step_scores.end(),
                                       [&](double score) { return score < threshold; });
    sparsity = static_cast<double>(removed) / static_cast<double>(part.steps);
  }
  return std::min(sparsity, config_.max_sparsity);
}

double Allocation::sparsity_of(const DependencyGraph& dependencies, const std::vector<Cell>& cells) const {
  double result = -1.0;
  const auto take = [&](double sparsity) { result = result < 0.0 ? sparsity : std::min(result, sparsity); };
  for (const Cell& cell : cells) {
    for (size_t producer : cell.producers) {
      const std::string& fqn = dependencies.axes[producer].fqn;
      if (fqn == last_fc_) take(0.0);
      for (const std::string& name : config_.exclude_ops) {
        if (belongs_to(fqn, name)) take(0.0);
      }
      // The longest name that fits says it for this layer.
      const std::pair<const std::string, double>* best = nullptr;
      for (const auto& entry : config_.layer_sparsity) {
        if (belongs_to(fqn, entry.first) && (best == nullptr || entry.first.size() > best->first.size())) best = &entry;
      }
      if (best != nullptr) take(best->second);
    }
  }
  return result;
}

void Allocation::set_reference(const DependencyGraph& dependencies, Part& part) const {
  part.reference = part.steps;
  for (const Cell& cell : part.cells) {
    for (size_t producer : cell.producers) {
      const BindingAxis& axis = dependencies.axes[producer];
      const auto found = config_.reference_widths.find(axis.fqn);
      if (found == config_.reference_widths.end()) continue;
      const auto width = static_cast<int64_t>(axis.units->size());
      part.reference = std::max(part.steps, part.steps * found->second / std::max<int64_t>(width, 1));
      return;
    }
  }
}

int64_t Allocation::steps_of_multiple(const Part& part) const {
  int64_t channels = 0;
  for (const Cell& cell : part.cells) channels += static_cast<int64_t>(cell.units.size()) * cell.width;
  const int64_t per_step = std::max<int64_t>(channels / part.steps, 1);
  return std::lcm(per_step, config_.multiple) / per_step;
}

int64_t Allocation::steps_kept(const Part& part, double sparsity) const {
  const int64_t least = part.cells.size() == 1 && !part.cells[0].constrained
                            ? (config_.min_channels + part.cells[0].width - 1) / part.cells[0].width
                            : 1;
  const auto removed = static_cast<int64_t>(std::floor(static_cast<double>(part.reference) * sparsity + 1e-9));
  int64_t steps = std::clamp<int64_t>(part.reference - removed, std::min(least, part.steps), part.steps);
  if (config_.multiple == 1 && config_.min_channels == 1) return steps;
  int64_t channels = 0;
  for (const Cell& cell : part.cells) channels += static_cast<int64_t>(cell.units.size()) * cell.width;
  const int64_t per_step = channels / part.steps;
  const int64_t unit = steps_of_multiple(part);
  while (steps < part.steps && steps * per_step < config_.min_channels) ++steps;
  steps = std::max((steps + unit / 2) / unit, int64_t{1}) * unit;
  while (steps < part.steps && steps * per_step < config_.min_channels) steps += unit;
  return std::min(steps, part.steps);
}

void Allocation::keep(const Part& part, int64_t steps, std::vector<bool>& kept) const {
  for (const Cell& cell : part.cells) {
    const auto count = static_cast<int64_t>(cell.units.size()) / part.steps * steps;
    for (int64_t i = 0; i < static_cast<int64_t>(cell.units.size()); ++i) {
      kept[static_cast<size_t>(cell.units[static_cast<size_t>(i)])] = i < count;
    }
  }
}

std::vector<int64_t> Allocation::steps_for(double sparsity) const {
  std::vector<int64_t> steps(parts_.size());
  const double limit = ranking_.empty() ? 0.0 : threshold(sparsity);
  for (size_t i = 0; i < parts_.size(); ++i) {
    steps[i] = steps_kept(parts_[i], share_removed(parts_[i], sparsity, limit));
  }
  return steps;
}

std::vector<bool> Allocation::fill(std::vector<int64_t> steps,
                                   const std::function<bool(const std::vector<bool>&)>& fits, int most_tries) const {
  std::vector<bool> done(parts_.size(), false);
  std::vector<bool> kept = realize(steps);
  const auto share = [&](size_t i) { return static_cast<double>(steps[i]) / static_cast<double>(parts_[i].reference); };
  for (int tries = 0; tries < most_tries; ++tries) {
    size_t narrowest = parts_.size();
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (done[i] || parts_[i].own_sparsity >= 0.0 || steps[i] >= parts_[i].steps) continue;
      if (narrowest == parts_.size() || share(i) < share(narrowest)) narrowest = i;
    }
    if (narrowest == parts_.size()) return kept;
    const int64_t before = steps[narrowest];
    steps[narrowest] = std::min(before + steps_of_multiple(parts_[narrowest]), parts_[narrowest].steps);
    std::vector<bool> wider = realize(steps);
    if (fits(wider)) {
      kept = std::move(wider);
    } else {
      steps[narrowest] = before;
      done[narrowest] = true;
    }
  }
  return kept;
}

std::vector<bool> Allocation::realize(std::vector<int64_t> steps) const {
  std::vector<bool> kept(part_of_unit_.size(), true);
  for (size_t i = 0; i < parts_.size(); ++i) keep(parts_[i], steps[i], kept);
  // Every piece of a split keeps an index at least: its best one, and what must be kept along with it.
  for (const UnitList& piece : dependencies_.pieces) {
    const auto is_kept = [&](UnitId unit) { return unit == kPinnedUnit || kept[static_cast<size_t>(unit)]; };
    while (std::none_of(piece->begin(), piece->end(), is_kept)) {
      const size_t index = part_of_unit_[static_cast<size_t>(piece->front())];
      const Part& part = parts_[index];
      if (part.steps > 1 && part.cells.size() == 1 && !part.cells[0].constrained) {
        const auto best =
            std::find_first_of(part.cells[0].units.begin(), part.cells[0].units.end(), piece->begin(), piece->end());
        kept[static_cast<size_t>(best == part.cells[0].units.end() ? piece->front() : *best)] = true;
      } else {
        keep(part, ++steps[index], kept);
      }
    }
  }
  return kept;
}

}  // namespace tinyml::prune
