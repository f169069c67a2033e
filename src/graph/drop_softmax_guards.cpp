#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

constexpr std::array<std::string_view, 10> kScaled{
    "aten.view.default",      "aten.reshape.default", "aten.expand.default", "aten.clone.default",
    "aten.permute.default",   "aten.transpose.int",   "aten.mul.Scalar",     "aten.div.Scalar",
    "aten.unsqueeze.default", "aten.squeeze.dims"};
constexpr std::array<std::string_view, 4> kProducts{"aten.bmm.default", "aten.matmul.default", "aten.mm.default",
                                                    "aten.linear.default"};

const Node* producer(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const NodeId id = graph.value(argument.as_value()).producer;
  return id == kNoNode ? nullptr : &graph.node(id);
}

/// Follows argument 0 through one operator of that name, to what it reads.
const Argument* through(const Graph& graph, const Argument* argument, std::string_view op) {
  const Node* node = argument == nullptr ? nullptr : producer(graph, *argument);
  return node != nullptr && node->op == op ? &node->args[0].value : nullptr;
}

/// Whether the values are products and what scaling and moving make of them: finite where the operands are.
bool are_products(const Graph& graph, ValueId value) {
  for (;;) {
    const Node* node = producer(graph, value);
    if (node == nullptr) return false;
    if (std::find(kProducts.begin(), kProducts.end(), node->op) != kProducts.end()) return true;
    const bool factor = node->has_arg("other") && node->arg("other").is_number();
    if (factor && !std::isfinite(node->arg("other").as_double())) return false;
    if (std::find(kScaled.begin(), kScaled.end(), node->op) == kScaled.end()) return false;
    value = node->args[0].value.as_value();
  }
}

bool is_zero(const Node* node) {
  return node != nullptr && (node->op == "aten.full_like.default" || node->op == "aten.full.default") &&
         node->arg("fill_value").is_number() && node->arg("fill_value").as_double() == 0;
}

/// The softmax of where(not any(not (x == -inf)), 0, softmax(x)), kNoValue for other operators.
ValueId guarded_softmax(const Graph& graph, const Node& node) {
  if (node.op != "aten.where.self") return kNoValue;
  const Node* softmax = producer(graph, node.arg("other"));
  if (softmax == nullptr || softmax->op != "aten.softmax.int" || !is_zero(producer(graph, node.arg("self")))) {
    return kNoValue;
  }
  const Argument* any = through(graph, &node.arg("condition"), "aten.logical_not.default");
  const Node* reduction = any == nullptr ? nullptr : producer(graph, *any);
  if (reduction == nullptr || reduction->op != "aten.any.dim" || !reduction->arg("dim").is_int()) return kNoValue;
  const Argument* hidden = through(graph, &reduction->args[0].value, "aten.logical_not.default");
  const Node* compare = hidden == nullptr ? nullptr : producer(graph, *hidden);
  if (compare == nullptr || compare->op != "aten.eq.Scalar" || !compare->arg("other").is_number()) return kNoValue;
  if (compare->arg("other").as_double() != -INFINITY || compare->arg("self") != softmax->arg("self")) return kNoValue;
  return are_products(graph, softmax->arg("self").as_value()) ? softmax->output() : kNoValue;
}

}  // namespace

Graph drop_softmax_guards(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    const ValueId softmax = guarded_softmax(graph, graph.node(id));
    if (softmax == kNoValue || graph.tensor_type(softmax).shape != graph.tensor_type(graph.node(id).output()).shape)
      continue;
    graph.replace_all_uses(graph.node(id).output(), softmax);
    graph.erase_node(id);
  }
  graph.erase_dead_nodes();
  return graph;
}

}  // namespace tinyml
