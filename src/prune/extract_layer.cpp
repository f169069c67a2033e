#include "prune/extract_layer.h"

#include <map>

namespace tinyml::prune {
namespace {

Argument renamed(const Argument& argument, const std::map<ValueId, ValueId>& ids) {
  if (argument.is_value()) return ids.at(argument.as_value());
  if (!argument.is_list()) return argument;
  Argument::List items;
  for (const Argument& item : argument.as_list()) items.push_back(renamed(item, ids));
  return items;
}

}  // namespace

std::optional<Graph> extract_layer(const Graph& graph, NodeId id) {
  Graph layer;
  Node node = graph.node(id);
  std::map<ValueId, ValueId> ids;
  bool is_possible = true;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId value) {
      if (ids.contains(value)) return;
      if (graph.value(value).kind != ValueKind::kTensor) {
        is_possible = false;
      } else if (const Binding* binding = graph.binding_of(value); binding != nullptr) {
        ids[value] = layer.add_binding(binding->kind, binding->fqn, binding->data, binding->persistent);
      } else {
        ids[value] = layer.add_input(graph.value(value).name, graph.tensor_type(value));
      }
    });
  }
  for (ValueId& output : node.outputs) {
    if (output == kNoValue) continue;
    if (graph.value(output).kind != ValueKind::kTensor) return std::nullopt;
    output = layer.add_value(graph.value(output).name, graph.tensor_type(output));
  }
  if (!is_possible) return std::nullopt;
  for (NamedArgument& arg : node.args) arg.value = renamed(arg.value, ids);
  const std::vector<ValueId> outputs = node.outputs;
  layer.add_node(std::move(node));
  for (const ValueId output : outputs) {
    if (output != kNoValue) layer.add_output({output, OutputKind::kUser, ""});
  }
  return layer;
}

}  // namespace tinyml::prune
