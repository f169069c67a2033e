#include "quantize/rewrite.h"

namespace tinyml::quantization {
namespace {

class Rewriter {
 public:
  Rewriter(Graph& graph, NodeId id) : graph_(graph), id_(id), node_(graph.node(id)) {}

  bool run() { return replace(graph_, id_, node_.op == "aten.addcmul.default" ? addcmul() : lerp()); }

 private:
  ValueId emit(const char* op, std::vector<NamedArgument> args) {
    return add_before(graph_, id_, op, std::move(args), graph_.tensor_type(node_.output()));
  }

  /// Of the result's shape: what is made between has it too.
  bool fits(const char* name) const {
    return graph_.tensor_type(node_.arg(name).as_value()).shape == graph_.tensor_type(node_.output()).shape;
  }

  ValueId addcmul() {
    if (node_.arg("value").as_double() != 1.0 || (!fits("tensor1") && !fits("tensor2"))) return kNoValue;
    const ValueId product = emit("aten.mul.Tensor", {{"self", node_.arg("tensor1")}, {"other", node_.arg("tensor2")}});
    return emit("aten.add.Tensor", {{"self", node_.arg("self")}, {"other", product}});
  }

  ValueId lerp() {
    if (!fits("self") && !fits("end")) return kNoValue;
    const ValueId difference = emit("aten.sub.Tensor", {{"self", node_.arg("end")}, {"other", node_.arg("self")}});
    const ValueId part = emit("aten.mul.Tensor", {{"self", difference}, {"other", node_.arg("weight")}});
    return emit("aten.add.Tensor", {{"self", node_.arg("self")}, {"other", part}});
  }

  Graph& graph_;
  NodeId id_;
  Node node_;
};

}  // namespace

int rewrite_addcmul(Graph& graph, const Wanted& wanted) {
  int changes = 0;
  for (const NodeId id : graph.nodes()) {
    const std::string& op = graph.node(id).op;
    if (op != "aten.addcmul.default" && op != "aten.lerp.Scalar" && op != "aten.lerp.Tensor") continue;
    if (wanted(graph.node(id))) changes += Rewriter(graph, id).run() ? 1 : 0;
  }
  return changes;
}

}  // namespace tinyml::quantization
