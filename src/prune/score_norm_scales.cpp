#include <cmath>
#include <set>

#include "prune/metrics.h"

namespace tinyml::prune {

std::vector<LayerScores> score_norm_scales(const Graph& graph, const DependencyGraph& dependencies) {
  std::set<ValueId> scales;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op.find("_norm.") == std::string::npos || !node.has_arg("weight")) continue;
    if (node.arg("weight").is_value()) scales.insert(node.arg("weight").as_value());
  }
  std::vector<LayerScores> result;
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kFollower || !scales.contains(axis.value)) continue;
    const Tensor& data = graph.binding_of(axis.value)->data;
    if (data.rank() != 1) continue;
    LayerScores layer{axis.units, data.to_doubles()};
    for (double& value : layer.values) value = std::abs(value);
    result.push_back(std::move(layer));
  }
  return result;
}

}  // namespace tinyml::prune
