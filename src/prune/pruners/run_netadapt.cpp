#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "prune/pruners/budget.h"

namespace tinyml {
namespace {

/// The plan that cuts one subgraph alone until no more than `goal` of the budget remains; nothing when it cannot.
std::optional<PruningPlan> cut_alone(const Graph& graph, const DependencyGraph& dependencies, PruningConfig config,
                                     const std::string& subgraph, const prune::Budget& budget, double goal,
                                     const ImportanceData& data) {
  std::map<std::string, double> known;  // By plan: different sparsities may choose the same.
  const auto remaining = [&](double sparsity) {
    config.layer_sparsity = {{subgraph, sparsity}};
    PruningPlan plan = plan_pruning(graph, dependencies, config, data);
    const auto [entry, is_new] = known.emplace(to_json(plan), 0.0);
    if (is_new) entry->second = budget.of(apply_plan(graph, dependencies, plan));
    return std::pair(std::move(plan), entry->second);
  };
  constexpr double kMost = 0.999999;
  auto [best, least] = remaining(kMost);
  if (least > goal) return std::nullopt;
  double low = 0.0, high = kMost;
  for (int step = 0; step < (budget.is_measured() ? 7 : 12); ++step) {
    const double middle = 0.5 * (low + high);
    auto [plan, amount] = remaining(middle);
    if (amount <= goal) {
      high = middle;
      best = std::move(plan);
    } else {
      low = middle;
    }
  }
  return best;
}

/// A plan for each subgraph that can reach `goal` alone. When none can, half of the step is asked for, and so on.
/// Throws Error when no subgraph can give a thousandth of the budget.
std::vector<PruningPlan> candidates(const Graph& graph, const DependencyGraph& dependencies,
                                    const PruningConfig& config, const prune::Budget& budget, double used, double goal,
                                    const ImportanceData& data) {
  const double least = std::min(used - goal, 1e-3 * budget.whole());
  for (double wanted = used - goal; wanted >= least; wanted *= 0.5) {
    std::vector<PruningPlan> plans;
    for (const Subgraph& subgraph : dependencies.subgraphs) {
      std::optional<PruningPlan> plan =
          cut_alone(graph, dependencies, config, subgraph.name, budget, used - wanted, data);
      if (plan) plans.push_back(std::move(*plan));
    }
    if (!plans.empty()) return plans;
  }
  throw Error(fmt::format("NetAdapt is stuck at {:.1f} % of the {}: no layer can become narrower",
                          100.0 * used / budget.whole(), budget.name()),
              "raise the target, lower min_channels or multiple, or exclude fewer layers");
}

}  // namespace

void run_netadapt(const NetAdaptConfig& config, const PruningHost& host, const JournalPath& path) {
  if (!host.fork || !host.evaluate || !host.save || !host.load) {
    throw Error("NetAdapt needs an evaluation of the model's quality", "give the pruner an evaluate function");
  }
  prune::Journal journal(path,
                         fmt::format("netadapt {} {} {} {}", config.first_reduction, config.decay, config.short_share,
                                     prune::fingerprint(config.pruning)),
                         host);
  const prune::Budget budget(config.pruning, host, journal);
  PruningConfig single = prune::Budget::without_target(config.pruning);
  single.sparsity = 0.0;
  const double allowed = (budget.is_measured() ? 1.02 : 1.0) * budget.target();  // Times are never twice the same.
  double reduction = config.first_reduction * budget.whole();
  double used = budget.whole();
  int index = 0;
  for (int step = 0; used > allowed; ++step, reduction *= config.decay) {
    if (step == config.max_steps) {
      throw Error(fmt::format("NetAdapt has not reached its budget after {} steps: {:.1f} % of the {} remain", step,
                              100.0 * used / budget.whole(), budget.name()),
                  "raise first_reduction or max_steps");
    }
    const double goal = std::max(budget.target(), used - reduction);
    journal.adopt([&](const std::string& checkpoint) {
      const Graph graph = host.graph();
      const DependencyGraph dependencies = analyze_dependencies(graph, config.pruning.dependencies);
      ImportanceData data;
      data.unit_scores = score_channels(graph, dependencies, single);
      const std::vector<PruningPlan> plans = candidates(graph, dependencies, single, budget, used, goal, data);
      std::optional<PruningPlan> best;
      double best_quality = 0.0;
      for (const PruningPlan& plan : plans) {
        verify_plan(graph, dependencies, plan);
        const PruningHost candidate = host.fork();
        candidate.cut(plan);
        TrainingSegment segment{index, 0.0, config.short_share};
        segment.candidate = true;
        candidate.train(segment);
        const double quality = candidate.evaluate();
        if (best && !(quality > best_quality)) continue;
        candidate.save(checkpoint);
        best_quality = quality;
        best = plan;
      }
      return *best;
    });
    used = budget.is_measured() ? journal.number([&] { return budget.of(host.graph()); }) : budget.of(host.graph());
    ++index;
  }
  TrainingSegment last{index, 0.0, 1.0};
  last.final = true;
  journal.train(last);
}

}  // namespace tinyml
