#include <fmt/format.h>

#include <string>

#include "graph/print.h"
#include "tinyml/graph.h"

namespace tinyml {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

/// DOT's name of what defines a value: its node, or the placeholder itself.
std::string definer(const Graph& graph, ValueId id) {
  const NodeId producer = graph.value(id).producer;
  return producer == kNoNode ? fmt::format("v{}", index_of(id)) : fmt::format("n{}", index_of(producer));
}

void add_edge(const Graph& graph, ValueId from, const std::string& to, std::string& dot) {
  dot += fmt::format("  {} -> {} [label={}];\n", definer(graph, from), to, quoted(print_type(graph, from)));
}

/// What of a call is worth showing: everything but the values, which are the edges.
std::string constants_of(const Graph& graph, const Node& node) {
  Node constants;
  constants.op = node.op;
  for (const NamedArgument& arg : node.args) {
    bool has_value = false;
    arg.value.for_each_value([&](ValueId) { has_value = true; });
    constants.args.push_back(has_value ? NamedArgument{arg.name, "..."} : arg);
  }
  std::string text = print_call(graph, constants);
  for (size_t comma = text.find(", "); comma != std::string::npos; comma = text.find(", ", comma + 2))
    text[comma + 1] = '\n';
  return text;
}

}  // namespace

std::string to_dot(const Graph& graph) {
  std::string dot =
      "digraph model {\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n";
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue) continue;
    dot += fmt::format("  v{} [label={}, shape=ellipse];\n", index_of(input.value), quoted(input.name));
  }
  for (const Binding& binding : graph.bindings()) {
    if (graph.is_unused(binding.value)) continue;
    dot += fmt::format("  v{} [label={}, shape=note];\n", index_of(binding.value), quoted(binding.fqn));
  }
  for (NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    dot += fmt::format("  n{} [label={}, tooltip={}];\n", index_of(id), quoted(constants_of(graph, node)),
                       quoted(node.module_path()));
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) { add_edge(graph, value, fmt::format("n{}", index_of(id)), dot); });
    }
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const Output& output = graph.outputs()[i];
    const std::string name = output.target.empty() ? fmt::format("output {}", i) : output.target;
    dot += fmt::format("  o{} [label={}, shape=ellipse];\n", i, quoted(name));
    output.value.for_each_value([&](ValueId value) { add_edge(graph, value, fmt::format("o{}", i), dot); });
  }
  return dot + "}\n";
}

}  // namespace tinyml
