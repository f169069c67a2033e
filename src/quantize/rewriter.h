// Builds what takes the place of one node.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "quantize/rewrite.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {

class Rewriter {
 public:
  Rewriter(Graph& graph, NodeId id) : graph_(graph), id_(id), node_(graph.node(id)) {}

 protected:
  const Graph& graph() const { return graph_; }
  const Node& node() const { return node_; }
  TensorType type_of(ValueId value) const { return graph_.tensor_type(value); }

  /// An operator before the node, in the user's own module around it.
  ValueId emit(const char* op, std::vector<NamedArgument> args, TensorType type) {
    type.strides.clear();
    type.requires_grad = false;
    const ValueId value = graph_.add_operator(op, make_args(op, std::move(args)), std::move(type), id_, id_);
    graph_.metadata(graph_.value(value).producer) = metadata_inside(node_);
    return value;
  }

  ValueId unary(const char* op, ValueId x) { return emit(op, {{"self", x}}, type_of(x)); }
  /// The result has the shape of `a`, to which `b` (a value or a number) is broadcast.
  ValueId binary(const char* op, ValueId a, Argument b) {
    return emit(op, {{"self", a}, {"other", std::move(b)}}, type_of(a));
  }
  /// A tensor of the graph's own; `name` and a number if it is taken.
  ValueId constant(const std::string& name, Tensor data, BindingKind kind = BindingKind::kConstant) {
    std::string fqn = name;
    for (int count = 1; graph_.find_binding(fqn) != nullptr; ++count) fqn = name + "_" + std::to_string(count);
    return graph_.add_binding(kind, std::move(fqn), std::move(data));
  }
  ValueId reshape(ValueId x, const std::vector<int64_t>& sizes) {
    return emit("aten.reshape.default", {{"self", x}, {"shape", Argument::ints(sizes)}},
                TensorType::of(type_of(x).type, sizes));
  }

 private:
  Graph& graph_;
  NodeId id_;
  Node node_;  ///< A copy: the graph's own moves while nodes are added.
};

}  // namespace tinyml::quantization
