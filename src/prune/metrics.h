#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/analysis.h"

namespace tinyml::prune {

/// Names of the metrics in the order users read them.
const std::vector<std::string>& metric_names();

/// Importance of every unit, larger is more important: for each layer that makes the unit the mean over its rows,
/// summed over the layers. Throws Error for an unknown metric.
///   l1_norm, l2_norm: of the row's weights (Li et al. 2017, "Pruning Filters for Efficient ConvNets").
///   fpgm: sum of distances to the other rows of the layer (He et al. 2019, "Filter Pruning via Geometric Median").
///   random: uniform, from the seed.
std::vector<double> score_units(const Graph& graph, const DependencyGraph& dependencies, std::string_view metric,
                                uint64_t seed);

/// A weight seen along one axis: row i is all weights that make index i. Each returns one number for each index.
struct AxisRows {
  const float* data = nullptr;
  int64_t rows = 0;     ///< Size of dimension 0 when it is not the axis itself, else 1.
  int64_t row_run = 1;  ///< Rows of dimension 0 in one group.
  int64_t size = 0;     ///< Size of the axis in the tensor.
  int64_t inner = 1;    ///< Elements behind each index.
  int64_t groups = 1;
};
std::vector<double> l1_norms(const AxisRows& rows);
std::vector<double> l2_norms(const AxisRows& rows);
std::vector<double> geometric_median_distances(const AxisRows& rows);

}  // namespace tinyml::prune
