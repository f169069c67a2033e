#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/analysis.h"
#include "tinyml/graph.h"

namespace tinyml {

/// Seconds that one inference takes: measured in a runtime, or estimated from a table (tinyml/profile.h).
using LatencyFunction = std::function<double(const Graph&)>;

/// What to remove. Keys of the same names are read from YAML, JSON or a Python dict.
struct PruningConfig {
  /// Importance of a channel, one of pruning_metrics(); docs/pruning.md says what each measures.
  std::string metric = "l2_norm";
  /// How the scores of one layer are made comparable with those of others: "none", "mean" (divided by the layer's
  /// mean), "max", "standard" (zero mean, unit deviation) or "lamp" (Lee et al. 2021: a channel's squared score over
  /// the sum of all that are not smaller). Empty: "mean" with the global scope, else "none".
  std::string normalize;
  /// How the scores of the layers that make one channel together become one: "sum", "mean" or "max".
  std::string group_reduction = "sum";
  /// "uniform": every layer loses the same share. "global": the least important channels of the whole model go.
  std::string scope = "uniform";
  /// No layer loses more than this share, in (0, 1].
  double max_sparsity = 1.0;
  /// Share of each layer's channels that is removed, in [0, 1).
  double sparsity = 0.5;
  /// Other shares for modules (by path) or parameters (by name): `sparsity: {default: 0.5, "features.3": 0.2}`. Of
  /// several that apply to one subgraph the smallest counts.
  std::map<std::string, double> layer_sparsity;
  /// `target: {flops: 0.4}`: share of the multiply-accumulates that may remain, in (0, 1]. The smallest common share is
  /// then removed that meets it; layers with a sparsity of their own keep that.
  std::optional<double> target_flops;
  /// Multiply-accumulates that may remain, as a number; for runs of several cuts, whose target counts from the first
  /// model.
  std::optional<int64_t> target_macs;
  /// Widths (channels that a parameter makes, by its name) that sparsities count from instead of the present ones, for
  /// runs of several cuts.
  std::map<std::string, int64_t> reference_widths;
  /// Spends what a target leaves over on single channels, for the relatively narrowest layers first. With a `multiple`
  /// above 1 that is done in any case, in multiples and for some of very many layers.
  bool fill_target = false;
  /// `target: {params: 0.4}`: the same for the number of parameters.
  std::optional<double> target_parameters;
  std::optional<int64_t> target_parameter_count;  ///< Parameters that may remain, as a number.
  /// `target: {latency: 0.5}`: share of the latency that may remain, as `latency` says. A search over sparsities ends
  /// within 5 % of it, below it if it can; where widths are too coarse for that, with the slowest that is faster.
  std::optional<double> target_latency;
  std::optional<double> target_seconds;  ///< `target: {latency: 3.5 ms}` (s, ms, us): the same as a time.
  /// What a latency target is measured by; not read from YAML.
  LatencyFunction latency;
  std::string latency_table;  ///< Path of a table (tinyml/profile.h) that the caller makes `latency` of.
  int64_t multiple = 1;       ///< Channels kept are multiples of this where the layer has that many.
  /// `multiple: auto`, the default of configurations with a latency target: of 1, 8 and 16 the multiple that leaves the
  /// most multiply-accumulates at that latency.
  bool choose_multiple = false;
  int64_t min_channels = 1;  ///< Each layer keeps this many at least.
  /// Leaves the last linear layer's outputs alone, even if they are not the network's.
  bool skip_last_fc = true;
  std::vector<std::string> exclude_ops;  ///< Modules (everything in them) and parameters whose outputs stay whole.
  uint64_t seed = 0;                     ///< For "random".
  /// `attention: heads` removes whole heads of attention, `attention: head_dim` (default) equally many indices of each
  /// head. plan_pruning takes dependencies found with these options.
  DependencyOptions dependencies;
};
/// Names of the metrics.
const std::vector<std::string>& pruning_metrics();
/// Reads YAML, of which JSON is a part. Throws Error for unknown keys (naming the nearest known one), wrong types and
/// ranges.
PruningConfig parse_pruning_config(const std::string& yaml);
/// Reads a YAML or JSON file.
PruningConfig read_pruning_config(const std::string& path);

/// One dimension of a parameter, buffer or constant and what stays of it.
struct Cut {
  std::string fqn;
  int64_t dim = 0;
  int64_t size = 0;           ///< Number of indices before; with `groups` above 1 of all groups together.
  int64_t groups = 1;         ///< See BindingAxis::groups.
  std::vector<int64_t> kept;  ///< Ascending, below `size`.
  friend bool operator==(const Cut&, const Cut&) = default;
};
/// What stays of a model: enough to cut another checkpoint of it alike.
struct PruningPlan {
  std::string metric;
  std::vector<Cut> cuts;                ///< In execution order; dimensions that stay whole are not listed.
  DependencyOptions dependencies = {};  ///< With which the model's dependencies are found to apply it.
  /// Residual branches (tinyml/branches.h) that are taken out first; the cuts are of the model without them.
  std::vector<std::string> removed_branches = {};
  bool empty() const { return cuts.empty() && removed_branches.empty(); }
};
/// JSON with a format version: {"format": "tinyml.pruning_plan", "version": 1, "metric": ..., "cuts": [...]}; plans
/// with removed branches have version 2 and "removed_branches": [names].
std::string to_json(const PruningPlan& plan);
/// Throws Error for what is not such a document or has another version.
PruningPlan parse_pruning_plan(const std::string& json);
/// Writes a temporary file beside `path` and renames it.
void write_pruning_plan(const PruningPlan& plan, const std::string& path);
PruningPlan read_pruning_plan(const std::string& path);

/// What metrics measure beside weights.
struct ImportanceData {
  /// "taylor": the loss's gradient for parameters, by name, each of its parameter's shape.
  std::map<std::string, Tensor> gradients;
  /// "hrank", "apoz": batches of example inputs, each as evaluate() takes them.
  std::vector<std::vector<Tensor>> batches;
  /// "custom": one number for each index of dimension 0 (1 of transposed convolutions) of a weight, by name.
  std::map<std::string, std::vector<double>> scores;
  /// Scores by UnitId, from earlier calls of score_channels; they are used as they are.
  std::vector<double> unit_scores;
};
/// Importance of every unit, by UnitId; larger is more important. Throws Error for an unknown metric, and for a metric
/// whose data is missing or does not fit, listing every parameter concerned.
std::vector<double> score_channels(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                                   const ImportanceData& data = {});

/// Chooses what to remove. Deterministic for a config. Throws Error for names in the config that the model does not
/// have, for a target that cannot be reached, saying how near it comes, and as score_channels does.
PruningPlan plan_pruning(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                         const ImportanceData& data = {});
/// The plan that keeps exactly the units with kept[unit].
PruningPlan plan_from_units(const DependencyGraph& dependencies, const std::vector<bool>& kept, std::string metric);

/// The plan that cuts a model at once as `first` and then `second` do; `second` was made for the result of the first.
PruningPlan compose_plans(const PruningPlan& first, const PruningPlan& second);
/// The plan without cuts of what the graph does not have: what is left of it when branches were taken out later.
PruningPlan restrict_plan(PruningPlan plan, const Graph& graph);

/// kept[unit] for a plan's cuts. Throws Error, listing all problems, if the plan names parameters or sizes the model
/// does not have, would cut channels apart that depend on each other, or was made with other options than
/// `dependencies`.
std::vector<bool> kept_units(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan);

/// The pruned graph: residual branches removed, parameters cut, shapes of all values and shape-like arguments updated.
/// Ids of nodes and values stay. Dependencies, where given here and below, are those of the graph without the plan's
/// branches; throws Error where the graph still has them.
Graph apply_plan(const Graph& graph, const PruningPlan& plan);
Graph apply_plan(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan);

/// The graph with the removed channels' parameters set to zero (divisors and variances apart), everything else as it
/// was.
Graph mask_graph(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan);

struct VerifyPlanOptions {
  double tolerance = 1e-9;  ///< Largest difference allowed, relative to the largest magnitude of the same output.
  uint64_t seed = 0;        ///< Of the random inputs.
  /// Inputs to use instead of random ones (integer inputs are zero unless given).
  std::vector<Tensor> inputs;
};
/// Proves a plan: the pruned graph equals the masked original, evaluated in float64 on random inputs. Throws Error
/// naming the first operator whose results differ. Changes nothing.
void verify_plan(const Graph& graph, const PruningPlan& plan, const VerifyPlanOptions& options = {});
void verify_plan(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan,
                 const VerifyPlanOptions& options = {});

/// Attributes of nn.Modules that repeat sizes of a layer's tensors ("out_channels", "groups", "num_features").
struct ModuleSizes {
  std::string path;  ///< Of the module, "" for the root.
  std::map<std::string, int64_t> attributes;
};
/// What the operators of a graph say about the modules they were captured in, each (path, attribute) once; where
/// operators of one module disagree the attribute is left out.
std::vector<ModuleSizes> module_sizes(const Graph& graph);

/// A number among the arguments of a module's operators, and what it became.
struct SizeArgument {
  std::string path;  ///< Of the module whose code calls the operator.
  int64_t before = 0;
  int64_t after = 0;
  friend auto operator<=>(const SizeArgument&, const SizeArgument&) = default;
};
/// All integers among the arguments of a graph's operators and of the same operators after a plan was applied, each
/// pair once, ascending.
std::vector<SizeArgument> size_arguments(const Graph& graph, const Graph& pruned);

}  // namespace tinyml
