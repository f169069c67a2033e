#include "quantize/rewrite.h"

namespace tinyml::quantization {

int rewrite_silu(Graph& graph, const Wanted& wanted) {
  int changes = 0;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op != "aten.silu.default" || !wanted(node)) continue;
    const ValueId x = node.arg("self").as_value();
    const TensorType type = graph.tensor_type(node.output());
    const ValueId gate = add_before(graph, id, "aten.sigmoid.default", {{"self", x}}, type);
    replace(graph, id, add_before(graph, id, "aten.mul.Tensor", {{"self", x}, {"other", gate}}, type));
    ++changes;
  }
  return changes;
}

}  // namespace tinyml::quantization
