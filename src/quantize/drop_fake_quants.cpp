#include "tinyml/drop_fake_quants.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graph/node_notes.h"
#include "tinyml/suggest.h"

namespace tinyml {
std::vector<FakeQuantNode> list_fake_quants(const Graph& graph) {
  std::vector<FakeQuantNode> found;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (!is_fake_quantize(node)) continue;
    const Argument& scale = node.arg("scale");
    const Binding* binding = scale.is_value() ? graph.binding_of(scale.as_value()) : nullptr;
    found.push_back({graph.value(node.output()).name, node.module_path(), binding == nullptr ? "" : binding->fqn});
  }
  return found;
}

Graph drop_fake_quants(const Graph& graph, const std::vector<std::string>& names) {
  std::set<std::string> wanted(names.begin(), names.end());
  std::vector<std::string> known;
  Graph result = graph;
  std::set<ValueId> tensors;
  for (const NodeId id : graph.nodes()) {
    if (!is_fake_quantize(graph.node(id))) continue;
    const std::string& name = graph.value(graph.node(id).output()).name;
    const std::string& path = graph.node(id).module_path();
    known.insert(known.end(), {name, path});
    if (std::find(names.begin(), names.end(), name) == names.end() &&
        std::find(names.begin(), names.end(), path) == names.end()) {
      continue;
    }
    wanted.erase(name);
    wanted.erase(path);
    const Node& node = result.node(id);
    for (const char* argument : {"scale", "zero_point"}) {
      const Argument& tensor = node.arg(argument);
      if (tensor.is_value() && result.binding_of(tensor.as_value()) != nullptr) tensors.insert(tensor.as_value());
    }
    result.replace_all_uses(node.output(), node.arg("self").as_value());
  }
  std::vector<Diagnostic> problems;
  for (const std::string& name : wanted) {
    problems.push_back({fmt::format("no FakeQuant is called '{}'", name),
                        "",
                        {},
                        suggestion(name, known, "list_fake_quants() has their names")});
  }
  if (!problems.empty()) throw Error("These FakeQuants cannot be dropped.", std::move(problems));
  result.erase_dead_nodes();
  for (const ValueId value : tensors) {
    if (result.is_unused(value)) result.erase_binding(value);
  }
  return result;
}

}  // namespace tinyml
