// After the cut: what a few batches of data repair without training.
#pragma once

#include <string>
#include <vector>

#include "tinyml/prune.h"

namespace tinyml {

/// Example inputs: one tensor for each of the graph's inputs, as evaluate() takes them, in each batch.
using Batches = std::vector<std::vector<Tensor>>;

/// The graph with the running statistics of every batch norm measured anew, layer by layer, so that each sees what the
/// layers before it now give: mean and unbiased variance over all batches together. Throws Error for inputs that do not
/// fit, operators without an evaluator, and a single value for each channel (it has no variance).
Graph recalibrate_batch_norm(const Graph& graph, const Batches& batches);

struct ReconstructOptions {
  /// Pull towards the present weights, as a share of the mean squared input.
  double ridge = 1e-3;
  /// Output positions to use of one layer at most; 0: eight for each weight of one output, 4096 at least.
  int64_t positions = 0;
  uint64_t seed = 0;  ///< Of the choice of positions.
};
/// What happened to one layer's outputs: squared difference from the original's over the original's energy.
struct LayerReconstruction {
  std::string weight;
  double error_before = 0.0, error_after = 0.0;
};
struct Reconstruction {
  Graph graph;
  std::vector<LayerReconstruction> layers;  ///< In execution order.
};
/// Fits the layers that lost inputs to the original's outputs, by least squares over `batches`, in execution order,
/// each with the inputs that the layers before it give after their own fit (He et al. 2017, "Channel Pruning for
/// Accelerating Very Deep Neural Networks", section 3.1, W step). Changes weights and biases of ungrouped one- and
/// two-dimensional convolutions and linear layers with weights of their own; others stay. `pruned`: apply_plan()'s
/// result for `original` and `plan`; its weights may have been trained since. Throws Error as recalibrate_batch_norm
/// does.
Reconstruction reconstruct_layers(const Graph& original, const DependencyGraph& dependencies, const PruningPlan& plan,
                                  const Graph& pruned, const Batches& batches, const ReconstructOptions& options = {});

}  // namespace tinyml
