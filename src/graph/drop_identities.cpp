#include <algorithm>
#include <array>
#include <string_view>

#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

constexpr std::array<std::string_view, 4> kIdentities{"aten.alias.default", "aten.lift_fresh_copy.default",
                                                      "aten.lift_fresh.default", "aten.lift.default"};

/// Identities when the shape stays.
constexpr std::array<std::string_view, 4> kResizes{"aten.slice.Tensor", "aten.view.default", "aten.reshape.default",
                                                   "aten.expand.default"};

bool is_conversion(std::string_view op) { return op.substr(0, 8) == "aten.to." || op == "aten.type_as.default"; }

/// x + 0 (the start of Python's sum()), x - 0, x * 1, x / 1. The sum makes 0 of -0.
bool is_neutral(const Node& node) {
  if (!node.has_arg("other") || !node.arg("other").is_number()) return false;
  const double other = node.arg("other").as_double();
  if (node.op == "aten.add.Tensor" || node.op == "aten.sub.Tensor") return other == 0;
  return other == 1 && (node.op == "aten.mul.Tensor" || node.op == "aten.div.Tensor");
}

/// Whether no gradient can reach the value: a buffer, a constant, or detached already.
bool has_no_gradient(const Graph& graph, ValueId id) {
  if (const Binding* binding = graph.binding_of(id)) return binding->kind != BindingKind::kParameter;
  const NodeId producer = graph.value(id).producer;
  return producer != kNoNode && graph.node(producer).op == "aten.detach.default";
}

bool is_identity(const Graph& graph, const Node& node) {
  if (node.outputs.size() != 1 || node.outputs[0] == kNoValue || node.args.empty() || !node.args[0].value.is_value())
    return false;
  const ValueId input = node.args[0].value.as_value();
  if (std::find(kIdentities.begin(), kIdentities.end(), node.op) != kIdentities.end()) return true;
  if (node.op == "aten.detach.default") return has_no_gradient(graph, input);
  if (graph.value(input).kind != ValueKind::kTensor || graph.value(node.output()).kind != ValueKind::kTensor)
    return false;
  const TensorType& from = graph.tensor_type(input);
  const TensorType& to = graph.tensor_type(node.output());
  // A slice of step one is never longer than its tensor.
  if (std::find(kResizes.begin(), kResizes.end(), node.op) != kResizes.end())
    return from.is_static() && from.shape == to.shape;
  if (!is_conversion(node.op) && !is_neutral(node)) return false;
  return from.type == to.type && from.device == to.device;
}

/// The value that a node returns unchanged, or kNoValue.
ValueId passed_value(const Graph& graph, const Node& node) {
  if (is_identity(graph, node)) return node.args[0].value.as_value();
  if (node.op != "aten.slice_scatter.default" || node.outputs[0] == kNoValue) return kNoValue;
  const TensorType& whole = graph.tensor_type(node.arg("self").as_value());
  const TensorType& part = graph.tensor_type(node.arg("src").as_value());
  const bool covers = whole.is_static() && whole.shape == part.shape && whole.type == part.type;
  return covers ? node.arg("src").as_value() : kNoValue;
}

}  // namespace

Graph drop_identities(Graph graph) {
  for (NodeId id : graph.nodes()) {
    const ValueId passed = passed_value(graph, graph.node(id));
    if (passed == kNoValue) continue;
    graph.replace_all_uses(graph.node(id).output(), passed);
    graph.erase_node(id);
  }
  graph.erase_dead_nodes();  // Assertions have no results.
  return graph;
}

Graph normalize(Graph graph) {
  graph = resolve_quantized_pairs(functionalize(inline_regions(std::move(graph))));
  graph = drop_identities(unify_operators(std::move(graph)));
  graph = recompose_shuffles(recompose_activations(recompose_layers(std::move(graph))));
  graph = recompose_attention(drop_softmax_guards(std::move(graph)));
  for (const NodeId id : graph.nodes()) {  // the bodies of cond and while_loop
    for (size_t i = 0; i < graph.node(id).args.size(); ++i) {
      const auto* body = std::get_if<std::shared_ptr<const Graph>>(&graph.node(id).args[i].value.data);
      if (body != nullptr) graph.set_arg(id, i, std::make_shared<const Graph>(normalize(**body)));
    }
  }
  return graph;
}

}  // namespace tinyml
