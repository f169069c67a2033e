#include "quantize/weight_sites.h"

#include <functional>
#include <numeric>

#include "quantize/layer_rules.h"
#include "quantize/lookups.h"
#include "quantize/tie_rules.h"

namespace tinyml::quantization {

WeightSite layer_site(const Graph& graph, const QuantizationScheme& scheme, NodeId layer) {
  const Node& node = graph.node(layer);
  const TensorScheme weight = weight_scheme(graph, scheme, node);
  return {layer, node.arg_index("weight"), weight.per_channel ? channel_axis(graph, node) : -1, weight};
}

WeightSite row_site(const Graph& graph, const QuantizationScheme& scheme, NodeId lookup) {
  const Node& node = graph.node(lookup);
  const TensorScheme rows = weight_scheme(graph, scheme, node);
  return {lookup, *table_of_rows(graph, node), rows.per_channel ? 0 : -1, rows};
}

void add_operand_sites(const Graph& graph, NodeId node, size_t data_args, const TensorScheme& scheme,
                       const std::vector<bool>& is_dynamic, std::vector<WeightSite>& sites) {
  for (size_t i = 0; i < data_args; ++i) {
    const Argument& argument = graph.node(node).args[i].value;
    if (!argument.is_value() || is_dynamic[index_of(argument.as_value())]) continue;
    const Value& value = graph.value(argument.as_value());
    if (value.kind != ValueKind::kTensor || !is_floating_point(value.tensor.type)) continue;
    const std::vector<int64_t> sizes = value.tensor.sizes();
    if (std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()) < 2) continue;
    sites.push_back({node, i, -1, scheme});
  }
}

}  // namespace tinyml::quantization
