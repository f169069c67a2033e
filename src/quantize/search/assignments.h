// Assignments of precisions as graphs, and what is measured of them.
#pragma once

#include <string>
#include <vector>

#include "quantize/range_cache.h"
#include "quantize/search/frontier.h"
#include "quantize/search/noise_sites.h"
#include "tinyml/precision_search.h"

namespace tinyml::quantization {

/// A float model, its calibration data and what they become with each assignment.
class Assignments {
 public:
  Assignments(const Graph& graph, const QuantizationScheme& scheme, const std::vector<std::vector<Tensor>>& samples,
              const PrecisionSearchOptions& options);

  /// All layers that can be quantized or not, and whether the search chooses for them.
  const std::vector<LayerPrecision>& layers() const { return layers_; }
  bool is_free(size_t layer) const { return layers_[layer].reason.empty() && layers_[layer].precision != "float"; }
  /// The layers' precisions, and the file that says so.
  std::vector<LayerPrecision> precisions(const Assignment& assignment) const;
  std::string text(const Assignment& assignment) const { return layer_config_text(layers_, precisions(assignment)); }
  /// Quantized and calibrated.
  Graph quantized(const Assignment& assignment);
  const Graph& float_graph() const { return graph_; }

  double quality(const Graph& quantized) const;
  /// Noise over signal on the first samples of the search's share, or what the caller's quality loses.
  double loss(const Graph& quantized) const;
  /// Bit operations of each layer, by precision.
  std::vector<std::array<double, kPrecisions>> bit_operations() const;
  /// Identifies model, configuration, options and data.
  std::string fingerprint() const;

 private:
  double noise_ratio(const Graph& quantized, size_t count) const;

  const Graph& graph_;
  const QuantizationScheme& scheme_;
  const std::vector<std::vector<Tensor>>& samples_;
  const PrecisionSearchOptions& options_;
  std::vector<LayerPrecision> layers_;
  std::vector<std::vector<Tensor>> expected_;  ///< The float model's outputs, by sample.
  double float_quality_ = 0.0;                 ///< Where the caller measures sensitivities.
  RangeCache ranges_;
};

}  // namespace tinyml::quantization
