#include "prune/metrics.h"

namespace tinyml::prune {

AxisRows axis_rows(const Tensor& contiguous_floats, const BindingAxis& axis) {
  const Tensor& data = contiguous_floats;
  AxisRows rows;
  rows.data = reinterpret_cast<const float*>(data.bytes());
  rows.groups = axis.groups;
  rows.rows = 1;
  for (int64_t dim = 0; dim < axis.dim; ++dim) rows.rows *= data.size(dim);
  rows.row_run = rows.rows / axis.groups;
  rows.size = data.size(axis.dim);
  for (int64_t dim = axis.dim + 1; dim < data.rank(); ++dim) rows.inner *= data.size(dim);
  return rows;
}

std::vector<LayerScores> score_weights(const Graph& graph, const DependencyGraph& dependencies, RowMetric metric) {
  std::vector<LayerScores> result;
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kProducer) continue;
    const Tensor data = graph.binding_of(axis.value)->data.to(ScalarType::kFloat32).contiguous();
    result.push_back({axis.units, metric(axis_rows(data, axis))});
  }
  return result;
}

}  // namespace tinyml::prune
