#include <fmt/format.h>

#include <exception>
#include <functional>
#include <limits>

#include "prune/allocation.h"
#include "prune/kept_shapes.h"
#include "prune/meet_latency.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

struct Target {
  const char* name;
  double ratio;  ///< Share of the whole that may remain.
  int64_t whole;
  std::function<int64_t(const SizesOf&)> count;
};

std::vector<Target> targets_of(const Graph& graph, const PruningConfig& config) {
  std::vector<Target> targets;
  if (!config.target_flops && !config.target_parameters && !config.target_macs && !config.target_parameter_count) {
    return targets;
  }
  const ModelCost cost = count_cost(graph);
  if (config.target_macs) {
    const double ratio =
        static_cast<double>(*config.target_macs) / static_cast<double>(std::max<int64_t>(cost.total.macs, 1));
    targets.push_back({"multiply-accumulates", ratio, cost.total.macs,
                       [&graph](const SizesOf& sizes) { return count_macs(graph, sizes); }});
  }
  if (config.target_flops) {
    targets.push_back({"FLOPs", *config.target_flops, cost.total.macs,
                       [&graph](const SizesOf& sizes) { return count_macs(graph, sizes); }});
  }
  const auto count_parameters = [&graph](const SizesOf& sizes) { return count_cost(graph, sizes).parameters; };
  if (config.target_parameter_count) {
    const double ratio = static_cast<double>(*config.target_parameter_count) /
                         static_cast<double>(std::max<int64_t>(cost.parameters, 1));
    targets.push_back({"parameters", ratio, cost.parameters, count_parameters});
  }
  if (config.target_parameters) {
    targets.push_back({"parameters", *config.target_parameters, cost.parameters, count_parameters});
  }
  return targets;
}

/// Whether single layers are widened to spend what a target leaves over.
enum class Fill : uint8_t { kNo, kSome, kAll };
constexpr int kMostTries = 256;  // Of kSome: graphs may have thousands of layers.

struct Choice {
  double sparsity;
  std::vector<bool> kept;
};

/// The smallest sparsity that meets every target, by bisection: costs fall as sparsity grows.
Choice meet_targets(const Graph& graph, const DependencyGraph& dependencies, const prune::Allocation& allocation,
                    const std::vector<Target>& targets, const PruningConfig& config, Fill fill) {
  const auto share = [&](const Target& target, const std::vector<bool>& kept) {
    const prune::KeptShapes shapes(graph, dependencies, kept);
    const int64_t count = target.count([&](ValueId value) { return shapes.sizes(value); });
    return static_cast<double>(count) / static_cast<double>(std::max<int64_t>(target.whole, 1));
  };
  const auto meets = [&](const std::vector<bool>& kept) {
    return std::all_of(targets.begin(), targets.end(),
                       [&](const Target& target) { return share(target, kept) <= target.ratio; });
  };
  std::vector<bool> wide = allocation.choose(0.0);
  if (meets(wide)) return {0.0, std::move(wide)};
  double low = 0.0, high = 0.999999;
  std::vector<bool> best = allocation.choose(high);
  std::vector<Diagnostic> problems;
  for (const Target& target : targets) {
    const double least = share(target, best);
    if (least <= target.ratio) continue;
    problems.push_back({fmt::format("the target of {:.1f} % of the {} cannot be reached: {:.1f} % remain with "
                                    "everything removed that may be",
                                    100.0 * target.ratio, target.name, 100.0 * least),
                        "",
                        {},
                        config.multiple > 1 || config.min_channels > 1
                            ? "raise the target, lower multiple or min_channels, or exclude fewer layers"
                            : "raise the target, or exclude fewer layers"});
  }
  if (!problems.empty()) throw Error("the model cannot be pruned that far", std::move(problems));
  for (int step = 0; step < 24; ++step) {
    const double middle = 0.5 * (low + high);
    std::vector<bool> kept = allocation.choose(middle);
    // Widths are whole numbers: a sparsity between often chooses what was counted already.
    const bool known_to_meet = kept == best;
    if (known_to_meet || (kept != wide && meets(kept))) {
      high = middle;
      best = std::move(kept);
    } else {
      low = middle;
      wide = std::move(kept);
    }
  }
  if (fill == Fill::kNo) return {high, std::move(best)};
  const int tries = fill == Fill::kAll ? std::numeric_limits<int>::max() : kMostTries;
  return {high, allocation.fill(allocation.steps_for(high), meets, tries)};
}

}  // namespace

PruningPlan plan_from_units(const DependencyGraph& dependencies, const std::vector<bool>& kept, std::string metric) {
  PruningPlan plan;
  plan.metric = std::move(metric);
  plan.dependencies = dependencies.options;
  for (const BindingAxis& axis : dependencies.axes) {
    Cut cut{axis.fqn, axis.dim, static_cast<int64_t>(axis.units->size()), axis.groups, {}};
    for (size_t i = 0; i < axis.units->size(); ++i) {
      const UnitId unit = (*axis.units)[i];
      if (unit == kPinnedUnit || kept[static_cast<size_t>(unit)]) cut.kept.push_back(static_cast<int64_t>(i));
    }
    if (static_cast<int64_t>(cut.kept.size()) < cut.size) plan.cuts.push_back(std::move(cut));
  }
  return plan;
}

namespace {

/// kept[unit] for the config's latency target: where the multiple is to be chosen, that of those that meet the target
/// with the most multiply-accumulates left.
std::vector<bool> choose_by_latency(const Graph& graph, const DependencyGraph& dependencies,
                                    const PruningConfig& config, const std::vector<double>& scores,
                                    const std::vector<Target>& targets) {
  std::vector<bool> best;
  int64_t most = -1;
  std::exception_ptr problem;
  // Kernels work on tiles of 16 or 8 channels, whatever part of the last one is used.
  for (const int64_t multiple :
       config.choose_multiple ? std::vector<int64_t>{1, 8, 16} : std::vector{config.multiple}) {
    PruningConfig own = config;
    own.multiple = multiple;
    const prune::Allocation allocation(graph, dependencies, own, scores);
    try {
      const double least =
          targets.empty() ? 0.0 : meet_targets(graph, dependencies, allocation, targets, own, Fill::kNo).sparsity;
      std::vector<bool> kept = prune::meet_latency(graph, dependencies, own, allocation, least);
      const prune::KeptShapes shapes(graph, dependencies, kept);
      const int64_t macs = count_macs(graph, [&](ValueId value) { return shapes.sizes(value); });
      if (macs > most) best = std::move(kept), most = macs;
    } catch (const Error&) {
      if (problem == nullptr) problem = std::current_exception();
    }
  }
  if (most < 0) std::rethrow_exception(problem);
  return best;
}

}  // namespace

PruningPlan plan_pruning(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                         const ImportanceData& data) {
  if (config.dependencies != dependencies.options) {
    throw Error("the dependencies were found with other options than the pruning config has",
                "call analyze_dependencies(graph, config.dependencies)");
  }
  std::vector<double> scores = score_channels(graph, dependencies, config, data);
  const std::vector<Target> targets = targets_of(graph, config);
  if (config.target_latency || config.target_seconds) {
    return plan_from_units(dependencies, choose_by_latency(graph, dependencies, config, scores, targets),
                           config.metric);
  }
  const prune::Allocation allocation(graph, dependencies, config, std::move(scores));
  // A common share of coarse widths may lie far below the target.
  const Fill fill = config.fill_target ? Fill::kAll : config.multiple > 1 ? Fill::kSome : Fill::kNo;
  const std::vector<bool> kept = targets.empty()
                                     ? allocation.choose(config.sparsity)
                                     : meet_targets(graph, dependencies, allocation, targets, config, fill).kept;
  return plan_from_units(dependencies, kept, config.metric);
}

}  // namespace tinyml
