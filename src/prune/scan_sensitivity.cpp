#include <algorithm>
#include <cmath>

#include "tinyml/evaluate.h"
#include "tinyml/pruning_report.h"

namespace tinyml {
namespace {

/// Signal and noise powers of each output, summed over batches.
struct Power {
  double signal = 0.0, noise = 0.0;
};

std::vector<std::vector<Tensor>> run_all(const Graph& graph, const std::vector<std::vector<Tensor>>& batches) {
  std::vector<std::vector<Tensor>> results;
  for (const std::vector<Tensor>& batch : batches) results.push_back(evaluate(graph, batch));
  return results;
}

double least_snr(const std::vector<std::vector<Tensor>>& expected, const std::vector<std::vector<Tensor>>& actual) {
  std::vector<Power> powers;
  for (size_t batch = 0; batch < expected.size(); ++batch) {
    powers.resize(std::max(powers.size(), expected[batch].size()));
    for (size_t i = 0; i < expected[batch].size(); ++i) {
      if (!expected[batch][i].defined()) continue;
      const std::vector<double> a = expected[batch][i].to_doubles(), b = actual[batch][i].to_doubles();
      for (size_t k = 0; k < a.size(); ++k) {
        powers[i].signal += a[k] * a[k];
        powers[i].noise += (a[k] - b[k]) * (a[k] - b[k]);
      }
    }
  }
  double least = HUGE_VAL;
  for (const Power& power : powers) {
    if (power.noise > 0.0) least = std::min(least, 10.0 * std::log10(power.signal / power.noise));
  }
  return least;
}

}  // namespace

std::vector<std::pair<Sensitivity, PruningPlan>> sensitivity_plans(const Graph& graph,
                                                                   const DependencyGraph& dependencies,
                                                                   const PruningConfig& config,
                                                                   const std::vector<double>& sparsities) {
  PruningConfig alone = config;
  alone.target_flops.reset();
  alone.target_parameters.reset();
  alone.target_macs.reset();
  alone.target_latency.reset();
  alone.target_seconds.reset();
  alone.sparsity = 0.0;
  alone.scope = "uniform";
  ImportanceData data;
  data.unit_scores = score_channels(graph, dependencies, config);
  const auto whole = static_cast<double>(std::max<int64_t>(count_cost(graph).total.macs, 1));
  std::vector<std::pair<Sensitivity, PruningPlan>> result;
  for (const Subgraph& subgraph : dependencies.subgraphs) {
    for (const double sparsity : sparsities) {
      alone.layer_sparsity = {{subgraph.name, sparsity}};
      PruningPlan plan = plan_pruning(graph, dependencies, alone, data);
      if (plan.cuts.empty()) continue;
      const auto macs = static_cast<double>(count_cost(apply_plan(graph, dependencies, plan)).total.macs);
      result.emplace_back(Sensitivity{subgraph.name, sparsity, 0.0, macs / whole}, std::move(plan));
    }
  }
  return result;
}

std::vector<Sensitivity> scan_sensitivity(const Graph& graph, const DependencyGraph& dependencies,
                                          const PruningConfig& config, const std::vector<double>& sparsities,
                                          const std::vector<std::vector<Tensor>>& batches) {
  if (batches.empty()) throw Error("a scan of sensitivities needs example inputs", "give some batches of data");
  const std::vector<std::vector<Tensor>> expected = run_all(graph, batches);
  std::vector<Sensitivity> result;
  for (auto& [entry, plan] : sensitivity_plans(graph, dependencies, config, sparsities)) {
    entry.quality = least_snr(expected, run_all(mask_graph(graph, dependencies, plan), batches));
    result.push_back(entry);
  }
  return result;
}

}  // namespace tinyml
