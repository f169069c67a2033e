#include "quantize/rewrite.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {

int rewrite_silu(Graph& graph, const Wanted& wanted) {
  int changes = 0;
  for (const NodeId id : graph.nodes()) {
    const Node node = graph.node(id);
    if (node.op != "aten.silu.default" || !wanted(node)) continue;
    const ValueId x = node.arg("self").as_value();
    const auto emit = [&](const char* op, std::vector<NamedArgument> args) {
      const ValueId value =
          graph.add_operator(op, make_args(op, std::move(args)), graph.tensor_type(node.output()), id, id);
      graph.metadata(graph.value(value).producer) = metadata_inside(node);
      return value;
    };
    const ValueId gate = emit("aten.sigmoid.default", {{"self", x}});
    replace(graph, id, emit("aten.mul.Tensor", {{"self", x}, {"other", gate}}));
    ++changes;
  }
  return changes;
}

}  // namespace tinyml::quantization
