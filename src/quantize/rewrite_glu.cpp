#include "quantize/rewrite.h"

namespace tinyml::quantization {

int rewrite_glu(Graph& graph, const Wanted& wanted) {
  int changes = 0;
  for (const NodeId id : graph.nodes()) {
    const Node node = graph.node(id);
    if (node.op != "aten.glu.default" || !wanted(node)) continue;
    const ValueId x = node.arg("self").as_value();
    const TensorType half = graph.tensor_type(node.output());
    const int64_t rank = static_cast<int64_t>(half.shape.size());
    const int64_t dim = (node.arg("dim").as_int() + rank) % rank;
    const int64_t count = half.sizes()[static_cast<size_t>(dim)];
    const auto emit = [&](const char* op, std::vector<NamedArgument> args) {
      return add_before(graph, id, op, std::move(args), half);
    };
    const auto part = [&](int64_t start) {
      return emit("aten.slice.Tensor", {{"self", x}, {"dim", dim}, {"start", start}, {"end", start + count}});
    };
    const ValueId first = part(0);
    const ValueId gate = emit("aten.sigmoid.default", {{"self", part(count)}});
    replace(graph, id, emit("aten.mul.Tensor", {{"self", first}, {"other", gate}}));
    ++changes;
  }
  return changes;
}

}  // namespace tinyml::quantization
