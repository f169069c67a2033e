#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "prune/pruners/budget.h"
#include "tinyml/branches.h"

namespace tinyml {
namespace {

/// Channels that each parameter makes.
std::map<std::string, int64_t> widths_of(const DependencyGraph& dependencies) {
  std::map<std::string, int64_t> widths;
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role == AxisRole::kProducer) widths[axis.fqn] = static_cast<int64_t>(axis.units->size());
  }
  return widths;
}

/// Scores of one model's units for those of another that has fewer layers.
std::vector<double> carry_scores(const DependencyGraph& from, const std::vector<double>& scores,
                                 const DependencyGraph& to) {
  std::map<std::pair<std::string, int64_t>, UnitList> lists;
  for (const BindingAxis& axis : from.axes) lists.emplace(std::pair(axis.fqn, axis.dim), axis.units);
  std::vector<double> result(static_cast<size_t>(to.unit_count), 0.0);
  for (const BindingAxis& axis : to.axes) {
    const UnitList& old = lists.at(std::pair(axis.fqn, axis.dim));
    for (size_t i = 0; i < axis.units->size(); ++i) {
      if ((*axis.units)[i] == kPinnedUnit || (*old)[i] == kPinnedUnit) continue;
      result[static_cast<size_t>((*axis.units)[i])] = scores[static_cast<size_t>((*old)[i])];
    }
  }
  return result;
}

/// The width ratio at which a model of `macs` meets `target`: arithmetic falls with its square.
double width_ratio(int64_t macs, double target) { return std::sqrt(target / static_cast<double>(macs)); }

/// Of the uncut model, the largest first, until what remains would keep `min_width_ratio` of its width.
std::vector<std::string> choose_branches(const Graph& graph, double target_macs, double min_width_ratio) {
  std::vector<ResidualBranch> branches = find_residual_branches(graph);
  std::stable_sort(branches.begin(), branches.end(),
                   [](const ResidualBranch& a, const ResidualBranch& b) { return a.macs > b.macs; });
  int64_t macs = count_cost(graph).total.macs;
  std::vector<std::string> names;
  for (const ResidualBranch& branch : branches) {
    if (width_ratio(macs, target_macs) >= min_width_ratio) break;
    macs -= branch.macs;
    names.push_back(branch.name);
  }
  return names;
}

}  // namespace

void run_gradual(const GradualConfig& config, const PruningHost& host, const JournalPath& path) {
  prune::Journal journal(path,
                         fmt::format("gradual {} {} {} {}", config.steps, config.pruning_share, config.min_width_ratio,
                                     prune::fingerprint(config.pruning)),
                         host);
  const prune::Budget budget(config.pruning, host, journal);
  const Graph first = host.graph();
  const double target = budget.target() / budget.whole();
  const auto macs = static_cast<double>(count_cost(first).total.macs);
  PruningConfig cut = config.pruning;
  cut.reference_widths = widths_of(analyze_dependencies(first, config.pruning.dependencies));
  cut.fill_target = config.pruning.scope == "uniform";
  for (int step = 1; step <= config.steps; ++step) {
    const double share = static_cast<double>(step) / config.steps;
    journal.train({step - 1, config.pruning_share * (step - 1) / config.steps, config.pruning_share * share});
    DependencyGraph measured;
    ImportanceData data;
    if (host.importance) {
      measured = analyze_dependencies(host.graph(), config.pruning.dependencies);
      data.unit_scores = host.importance();
    }
    if (step == std::min(2, config.steps) && config.min_width_ratio > 0.0) {
      journal.remove_branches(
          [&](const Graph&) { return choose_branches(first, target * macs, config.min_width_ratio); });
    }
    const double remaining = target + (1.0 - target) * std::pow(1.0 - share, 3);
    cut = budget.limit(std::move(cut), remaining * budget.whole());
    journal.cut(cut.dependencies, [&](const Graph& graph, const DependencyGraph& dependencies) {
      ImportanceData now = data;
      if (!now.unit_scores.empty()) now.unit_scores = carry_scores(measured, data.unit_scores, dependencies);
      return plan_pruning(graph, dependencies, cut, now);
    });
  }
  TrainingSegment last{config.steps, config.pruning_share, 1.0};
  last.final = true;
  journal.train(last);
}

}  // namespace tinyml
