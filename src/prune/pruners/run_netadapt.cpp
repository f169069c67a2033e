#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <optional>

#include "prune/pruners/journal.h"

namespace tinyml {
namespace {

/// The plan that cuts one subgraph alone until no more than `macs` remain; nothing when it cannot.
std::optional<PruningPlan> cut_alone(const Graph& graph, const DependencyGraph& dependencies, PruningConfig config,
                                     const std::string& subgraph, int64_t macs, const ImportanceData& data) {
  const auto remaining = [&](double sparsity) {
    config.layer_sparsity = {{subgraph, sparsity}};
    PruningPlan plan = plan_pruning(graph, dependencies, config, data);
    const int64_t count = count_cost(apply_plan(graph, dependencies, plan)).total.macs;
    return std::pair(std::move(plan), count);
  };
  constexpr double kMost = 0.999999;
  auto [best, least] = remaining(kMost);
  if (least > macs) return std::nullopt;
  double low = 0.0, high = kMost;
  for (int step = 0; step < 12; ++step) {
    const double middle = 0.5 * (low + high);
    auto [plan, count] = remaining(middle);
    if (count <= macs) {
      high = middle;
      best = std::move(plan);
    } else {
      low = middle;
    }
  }
  return best;
}

}  // namespace

void run_netadapt(const NetAdaptConfig& config, const PruningHost& host, const JournalPath& path) {
  if (!config.pruning.target_flops) {
    throw Error("NetAdapt needs a budget", "add target: {flops: SHARE} to the configuration");
  }
  if (!host.fork || !host.evaluate || !host.save || !host.load) {
    throw Error("NetAdapt needs an evaluation of the model's quality", "give the pruner an evaluate function");
  }
  prune::Journal journal(path,
                         fmt::format("netadapt {} {} {} {}", config.first_reduction, config.decay, config.short_share,
                                     prune::fingerprint(config.pruning)),
                         host);
  PruningConfig single = config.pruning;
  single.target_flops.reset();
  single.sparsity = 0.0;
  const auto whole = static_cast<double>(count_cost(host.graph()).total.macs);
  const double budget = *config.pruning.target_flops * whole;
  double reduction = config.first_reduction * whole;
  double macs = whole;
  int index = 0;
  for (int step = 0; macs > budget; ++step, reduction *= config.decay) {
    if (step == config.max_steps) {
      throw Error(fmt::format("NetAdapt has not reached its budget after {} steps: {:.1f} % of the FLOPs remain", step,
                              100.0 * macs / whole),
                  "raise first_reduction or max_steps");
    }
    const auto goal = static_cast<int64_t>(std::max(budget, macs - reduction));
    journal.adopt([&](const std::string& checkpoint) {
      const Graph graph = host.graph();
      const DependencyGraph dependencies = analyze_dependencies(graph);
      ImportanceData data;
      data.unit_scores = score_channels(graph, dependencies, single);
      std::optional<PruningPlan> best;
      double best_quality = 0.0;
      for (const Subgraph& subgraph : dependencies.subgraphs) {
        std::optional<PruningPlan> plan = cut_alone(graph, dependencies, single, subgraph.name, goal, data);
        if (!plan) continue;
        verify_plan(graph, dependencies, *plan);
        const PruningHost candidate = host.fork();
        candidate.cut(*plan);
        TrainingSegment segment{index, 0.0, config.short_share};
        segment.candidate = true;
        candidate.train(segment);
        const double quality = candidate.evaluate();
        if (best && !(quality > best_quality)) continue;
        candidate.save(checkpoint);
        best_quality = quality;
        best = std::move(plan);
      }
      if (!best) {
        throw Error(
            fmt::format("NetAdapt is stuck at {:.1f} % of the FLOPs: no single layer can give what the next step "
                        "needs",
                        100.0 * macs / whole),
            "raise the target, lower first_reduction, or exclude fewer layers");
      }
      return *best;
    });
    macs = static_cast<double>(count_cost(host.graph()).total.macs);
    ++index;
  }
  TrainingSegment last{index, 0.0, 1.0};
  last.final = true;
  journal.train(last);
}

}  // namespace tinyml
