#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "graph/inline_body.h"
#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

/// Arguments of `cond`.
enum : size_t { kPredicate, kThen, kElse, kOperands, kCount };

/// The predicate's value, if every call of the model has the same.
std::optional<bool> decision(const Graph& graph, const Argument& predicate) {
  if (predicate.is_bool()) return predicate.as_bool();
  const Binding* binding = predicate.is_value() ? graph.binding_of(predicate.as_value()) : nullptr;
  if (binding == nullptr || !binding->data.defined() || binding->data.numel() != 1) return std::nullopt;
  const bool updated = std::any_of(graph.outputs().begin(), graph.outputs().end(), [&](const Output& output) {
    return output.kind != OutputKind::kUser && output.target == binding->fqn;
  });
  if (updated) return std::nullopt;
  return binding->data.to(ScalarType::kFloat64).data<double>()[0] != 0;
}

bool inline_condition(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.args.size() != kCount || !node.args[kOperands].value.is_list()) return false;
  const std::optional<bool> taken = decision(graph, node.args[kPredicate].value);
  if (!taken) return false;
  const Argument& branch = node.args[*taken ? kThen : kElse].value;
  if (!branch.is_graph()) return false;
  const auto body = std::get<std::shared_ptr<const Graph>>(branch.data);
  const bool functional = std::all_of(body->outputs().begin(), body->outputs().end(), [](const Output& output) {
    return output.kind == OutputKind::kUser && output.value.is_value();
  });
  if (!functional) return false;
  const Argument::List operands = node.args[kOperands].value.as_list();
  inline_body(graph, id, *body, operands);
  return true;
}

}  // namespace

bool inline_conditions(Graph& graph) {
  bool changed = false;
  const std::vector<NodeId> nodes = graph.nodes();
  for (const NodeId id : nodes) {
    if (graph.node(id).op == "higher_order.cond") changed |= inline_condition(graph, id);
  }
  return changed;
}

}  // namespace tinyml
