#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/prune.h"

namespace tinyml {

/// A layer that makes channels, before and after.
struct LayerChange {
  std::string name;  ///< Of its weight.
  size_t subgraph = 0;
  std::vector<size_t> reads;  ///< Subgraphs whose channels it reads, ascending.
  int64_t channels_before = 0, channels_after = 0;
  int64_t macs_before = 0, macs_after = 0;
  int64_t parameters_before = 0, parameters_after = 0;  ///< Of the weight.
};
/// A subgraph: layers that share their channels.
struct SubgraphChange {
  std::string name;
  int64_t units_before = 0, units_after = 0;
  // Of the layers that make its channels:
  int64_t macs_before = 0, macs_after = 0;
  int64_t parameters_before = 0, parameters_after = 0;  ///< Of their weights.
  int64_t peak_before = 0, peak_after = 0;  ///< Bytes of intermediate values while one of them runs, at most.
  std::optional<double> seconds_before, seconds_after;  ///< Sum of their latencies, each run alone.
};
/// What a plan did to a model.
struct PruningReport {
  std::vector<SubgraphChange> subgraphs;
  std::vector<LayerChange> layers;  ///< In execution order.
  std::vector<PinnedAxis> pinned;
  ModelCost before, after;
  std::optional<double> latency_before, latency_after;  ///< Seconds an inference, where measured.
};
/// `after` is apply_plan's result for `before`, possibly with weights trained since and branches removed; layers that
/// are gone have zeros after. `latency`, where given, measures both models and every layer alone; where it cannot (it
/// throws Error), a subgraph has no latency.
PruningReport describe_pruning(const Graph& before, const DependencyGraph& dependencies, const PruningPlan& plan,
                               const Graph& after, const LatencyFunction& latency = {});
/// A table of the subgraphs, the totals, and what stays and why.
std::string to_string(const PruningReport& report);
/// One self-contained HTML page, without scripts: totals, a bar for each subgraph, the layers with the channels they
/// share as an arc diagram (SVG), what stays and why.
std::string to_html(const PruningReport& report, const std::string& title);

/// The effect of pruning one subgraph alone.
struct Sensitivity {
  std::string subgraph;
  double sparsity = 0.0;
  double quality = 0.0;
  double macs = 1.0;  ///< Share that remains.
};
/// Masks each subgraph alone at each sparsity and measures. Without a function the quality is the signal-to-noise ratio
/// of the outputs in dB against the unpruned model over `batches`, least of all outputs.
std::vector<Sensitivity> scan_sensitivity(const Graph& graph, const DependencyGraph& dependencies,
                                          const PruningConfig& config, const std::vector<double>& sparsities,
                                          const std::vector<std::vector<Tensor>>& batches);
/// The plans that the scan measures, in its order: for qualities that only the caller can measure.
std::vector<std::pair<Sensitivity, PruningPlan>> sensitivity_plans(const Graph& graph,
                                                                   const DependencyGraph& dependencies,
                                                                   const PruningConfig& config,
                                                                   const std::vector<double>& sparsities);

}  // namespace tinyml
