// Hard-swish and hard-sigmoid behind the arithmetic that spells them out.
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

std::optional<double> number(const Node& node, std::string_view name) {
  if (!node.has_arg(name) || !node.arg(name).is_number()) return std::nullopt;
  return node.arg(name).as_double();
}

/// The node that makes the value for one reader alone, nullptr when there is none.
const Node* sole_producer(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const Value& value = graph.value(argument.as_value());
  if (value.producer == kNoNode || value.users.size() != 1 || graph.is_output(argument.as_value())) return nullptr;
  return &graph.node(value.producer);
}

/// The value that the node divides by six.
const Argument* sixfold(const Node& node) {
  if (node.op == "aten.div.Tensor" && number(node, "other") == 6.0) return &node.arg("self");
  const std::optional<double> factor = node.op == "aten.mul.Tensor" ? number(node, "other") : std::nullopt;
  return factor && std::abs(*factor * 6 - 1) < 1e-6 ? &node.arg("self") : nullptr;
}

/// The argument of clamp(_, 0, 6), in any of its forms.
const Argument* clamped(const Graph& graph, const Node& node) {
  if (node.op == "aten.relu6.default") return &node.arg("self");
  if (node.op == "aten.hardtanh.default") {
    return number(node, "min_val") == 0.0 && number(node, "max_val") == 6.0 ? &node.arg("self") : nullptr;
  }
  if (node.op != "aten.clamp.default" || number(node, "max") != 6.0) return nullptr;
  if (number(node, "min") == 0.0) return &node.arg("self");
  if (!node.arg("min").is_none()) return nullptr;
  const Node* lower = sole_producer(graph, node.arg("self"));
  const bool from_zero =
      lower != nullptr &&
      (lower->op == "aten.relu.default" ||
       (lower->op == "aten.clamp.default" && number(*lower, "min") == 0.0 && lower->arg("max").is_none()));
  return from_zero ? &lower->arg("self") : nullptr;
}

/// x of clamp(x + 3, 0, 6), which nothing else reads.
std::optional<ValueId> ramped(const Graph& graph, const Argument& argument) {
  const Node* clamp = sole_producer(graph, argument);
  const Argument* shifted = clamp == nullptr ? nullptr : clamped(graph, *clamp);
  const Node* add = shifted == nullptr ? nullptr : sole_producer(graph, *shifted);
  if (add == nullptr || add->op != "aten.add.Tensor" || !add->arg("self").is_value()) return std::nullopt;
  if (number(*add, "other") != 3.0 || number(*add, "alpha") != 1.0) return std::nullopt;
  return add->arg("self").as_value();
}

/// x where the product is of x and `other(x)`, in either order.
template <typename Other>
std::optional<ValueId> product_with(const Node& mul, Other other) {
  if (mul.op != "aten.mul.Tensor") return std::nullopt;
  for (const auto& [x, function] : {std::pair("self", "other"), std::pair("other", "self")}) {
    const std::optional<ValueId> found = other(mul.arg(function));
    if (found && mul.arg(x) == Argument(*found)) return found;
  }
  return std::nullopt;
}

std::optional<ValueId> hard_swish_of(const Graph& graph, const Node& node) {
  const auto ramp = [&](const Argument& argument) { return ramped(graph, argument); };
  const auto hard_sigmoid = [&](const Argument& argument) -> std::optional<ValueId> {
    const Node* gate = sole_producer(graph, argument);
    if (gate == nullptr || gate->op != "aten.hardsigmoid.default") return std::nullopt;
    return gate->arg("self").as_value();
  };
  if (const Argument* product = sixfold(node)) {
    const Node* mul = sole_producer(graph, *product);
    return mul == nullptr ? std::nullopt : product_with(*mul, ramp);
  }
  return product_with(node, hard_sigmoid);
}

std::optional<ValueId> hard_sigmoid_of(const Graph& graph, const Node& node) {
  const Argument* ramp = sixfold(node);
  return ramp == nullptr ? std::nullopt : ramped(graph, *ramp);
}

}  // namespace

Graph recompose_activations(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op != "aten.div.Tensor" && node.op != "aten.mul.Tensor") continue;
    if (const std::optional<ValueId> gated = hard_swish_of(graph, node)) {
      graph.set_op(id, "aten.hardswish.default", make_args("aten.hardswish.default", {{"self", *gated}}));
    } else if (const std::optional<ValueId> gate = hard_sigmoid_of(graph, node)) {
      graph.set_op(id, "aten.hardsigmoid.default", make_args("aten.hardsigmoid.default", {{"self", *gate}}));
    }
  }
  graph.erase_dead_nodes();
  return graph;
}

}  // namespace tinyml
