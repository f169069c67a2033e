#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/prune.h"

namespace tinyml::prune {

/// What a metric says of one layer: a number for each index of an axis, larger is more important.
struct LayerScores {
  UnitList units;
  std::vector<double> values;
};

/// A weight seen along one axis: row i is all weights that make index i. Each metric returns one number for each index.
struct AxisRows {
  const float* data = nullptr;
  int64_t rows = 0;     ///< Size of dimension 0 when it is not the axis itself, else 1.
  int64_t row_run = 1;  ///< Rows of dimension 0 in one group.
  int64_t size = 0;     ///< Size of the axis in the tensor.
  int64_t inner = 1;    ///< Elements behind each index.
  int64_t groups = 1;
};
AxisRows axis_rows(const Tensor& contiguous_floats, const BindingAxis& axis);
/// Li et al. 2017, "Pruning Filters for Efficient ConvNets".
std::vector<double> l1_norms(const AxisRows& rows);
std::vector<double> l2_norms(const AxisRows& rows);
/// Sum of distances to the other rows (He et al. 2019, "Filter Pruning via Geometric Median").
std::vector<double> geometric_median_distances(const AxisRows& rows);
/// Sum of the entries, signed.
std::vector<double> row_sums(const AxisRows& rows);

/// A metric of the weights alone, for each layer that makes channels.
using RowMetric = std::vector<double> (*)(const AxisRows&);
std::vector<LayerScores> score_weights(const Graph& graph, const DependencyGraph& dependencies, RowMetric metric);

/// Magnitude of the normalisation scales behind a layer (Liu et al. 2017, "Learning Efficient Convolutional Networks
/// through Network Slimming"). Channels that no normalisation scales are missing from the result.
std::vector<LayerScores> score_norm_scales(const Graph& graph, const DependencyGraph& dependencies);

/// First-order Taylor expansion of the loss at removal (Molchanov et al. 2019, "Importance Estimation for Neural
/// Network Pruning"): by UnitId the squared sum of weight times gradient over all parameters that make or scale the
/// unit.
std::vector<double> score_taylor(const Graph& graph, const DependencyGraph& dependencies, const ImportanceData& data);

enum class ActivationMetric {
  kRank,  ///< Mean rank of the feature maps (Lin et al. 2020, "HRank"); mean magnitude where maps are no matrices.
  kApoz,  ///< Share of activations above zero (Hu et al. 2016, "Network Trimming").
};
/// Measured behind the layer's normalisation and activation, over data.batches.
std::vector<LayerScores> score_activations(const Graph& graph, const DependencyGraph& dependencies,
                                           const ImportanceData& data, ActivationMetric metric);

/// The user's own numbers.
std::vector<LayerScores> score_custom(const Graph& graph, const DependencyGraph& dependencies,
                                      const ImportanceData& data);

/// One number for each unit: indices of one unit within a layer are averaged, layers normalised and reduced as the
/// config says.
std::vector<double> reduce_scores(const std::vector<LayerScores>& layers, size_t unit_count, std::string_view normalize,
                                  std::string_view reduction);

}  // namespace tinyml::prune
