#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

struct RefineOptions {
  /// Weights are rounded up or down so that the layer's results change least on the samples: what one weight's rounding
  /// changes is made up for by those not rounded yet (Frantar et al., GPTQ, 2022, which solves the objective of
  /// AdaRound, Nagel et al., 2020, without training). A row of the weight keeps its nearest rounding where that is no
  /// worse.
  bool round_weights = true;
  /// The mean of what quantization changes in each channel of a layer's result goes into the layer's bias (Nagel et
  /// al., Data-Free Quantization, 2019, section 4.2, from data), less what may be chance: nothing with one example.
  bool correct_bias = true;
};

/// What became of one layer.
struct RefinedLayer {
  std::string name;  ///< Of its result.
  std::string module_path;
  double nearest_error = 0.0;  ///< Squared change of its results by rounding its weights to nearest, over the results'.
  double rounded_error = 0.0;  ///< By the chosen rounding. Both 0 for a layer whose weight was left alone.
  bool bias_corrected = false;
};

/// Improves the weights and biases of a quantized, calibrated graph without training: layer after layer in execution
/// order, each on what the quantized layers before it make of the samples. Scales stay as they are; weights end on
/// their grid. Left alone are layers whose weight is shared or not a plain parameter (batch norm folded in as fuse()
/// does is fine), transposed convolutions' rounding, and biases that do not exist. Costs two evaluations of every
/// sample, whose values live at the same time. Throws Error for no samples and for operators without an evaluator.
Graph refine(const Graph& graph, const std::vector<std::vector<Tensor>>& samples, const RefineOptions& options = {},
             std::vector<RefinedLayer>* layers = nullptr);

/// How many runs of the model to correct biases with: more examples leave less to chance, up to 32 of them, as far as
/// 60 thousand million multiply-accumulates allow (about ten CPU seconds), 8 at least; fewer where the values of so
/// many would take more than 2 GB. `examples`: in one run.
size_t runs_to_correct_biases(const Graph& graph, int64_t examples = 1);

}  // namespace tinyml
