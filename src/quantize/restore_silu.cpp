#include "quantize/restore_silu.h"

#include "quantize/rewrite.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

/// What the node multiplies with its own sigmoid, or kNoValue.
ValueId gated_value(const Graph& graph, const Node& node) {
  if (node.op != "aten.mul.Tensor" || !node.arg("self").is_value() || !node.arg("other").is_value()) return kNoValue;
  const ValueId a = node.arg("self").as_value(), b = node.arg("other").as_value();
  for (const auto& [value, gate] : {std::pair(a, b), std::pair(b, a)}) {
    const NodeId producer = graph.value(gate).producer;
    if (producer == kNoNode || graph.node(producer).op != "aten.sigmoid.default") continue;
    if (graph.value(gate).users.size() != 1 || graph.is_output(gate)) continue;
    if (graph.node(producer).arg("self").as_value() == value) return value;
  }
  return kNoValue;
}

}  // namespace

void restore_silu(Graph& graph) {
  for (const NodeId id : graph.nodes()) {
    const ValueId x = gated_value(graph, graph.node(id));
    if (x == kNoValue) continue;
    const Metadata metadata = graph.node(id).metadata;
    const char* op = "aten.silu.default";
    const ValueId result =
        graph.add_operator(op, make_args(op, {{"self", x}}), graph.tensor_type(graph.node(id).output()), id, id);
    graph.metadata(graph.value(result).producer) = metadata;
    replace(graph, id, result);
  }
  graph.erase_dead_nodes();
}

}  // namespace tinyml::quantization
