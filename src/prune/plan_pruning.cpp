#include <fmt/format.h>

#include "prune/allocation.h"
#include "prune/kept_shapes.h"
#include "prune/metrics.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

int64_t macs_of(const Graph& graph, const DependencyGraph& dependencies, const std::vector<bool>& kept) {
  const prune::KeptShapes shapes(graph, dependencies, kept);
  return count_macs(graph, [&](ValueId value) { return shapes.sizes(value); });
}

/// The smallest uniform sparsity that meets the target, by bisection: multiply-accumulates fall as sparsity grows.
std::vector<bool> meet_target(const Graph& graph, const DependencyGraph& dependencies,
                              const prune::Allocation& allocation, double ratio) {
  const int64_t before = macs_of(graph, dependencies, allocation.choose(0.0));
  const double target = ratio * static_cast<double>(count_cost(graph).total.macs);
  if (static_cast<double>(before) <= target) return allocation.choose(0.0);
  double low = 0.0, high = 0.999999;
  std::vector<bool> best = allocation.choose(high);
  const int64_t least = macs_of(graph, dependencies, best);
  if (static_cast<double>(least) > target) {
    throw Error(
        fmt::format("the target of {:.1f} % of the FLOPs cannot be reached: {:.1f} % remain with everything removed "
                    "that may be",
                    100.0 * ratio, 100.0 * static_cast<double>(least) * ratio / target),
        "raise the target, or exclude fewer layers");
  }
  for (int step = 0; step < 24; ++step) {
    const double middle = 0.5 * (low + high);
    std::vector<bool> kept = allocation.choose(middle);
    if (static_cast<double>(macs_of(graph, dependencies, kept)) <= target) {
      high = middle;
      best = std::move(kept);
    } else {
      low = middle;
    }
  }
  return best;
}

}  // namespace

PruningPlan plan_pruning(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config) {
  const prune::Allocation allocation(graph, dependencies, config,
                                     prune::score_units(graph, dependencies, config.metric, config.seed));
  const std::vector<bool> kept = config.target_flops
                                     ? meet_target(graph, dependencies, allocation, *config.target_flops)
                                     : allocation.choose(config.sparsity);
  PruningPlan plan;
  plan.metric = config.metric;
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

}  // namespace tinyml
