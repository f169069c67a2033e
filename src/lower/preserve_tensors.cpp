#include "lower/preserve_tensors.h"

#include <algorithm>

namespace tinyml::lowering {
namespace {

bool leaves_its_module(const Graph& graph, const Node& node, ValueId value) {
  const std::string path = node.module_path();
  const std::vector<NodeId>& users = graph.value(value).users;
  return !path.empty() &&
         std::any_of(users.begin(), users.end(), [&](NodeId user) { return graph.node(user).module_path() != path; });
}

}  // namespace

std::vector<std::string> preserve_tensors(const Graph& graph, Lowering& lowering) {
  std::vector<int>& outputs = lowering.subgraph().outputs;
  std::set<int> taken(outputs.begin(), outputs.end());
  std::set<std::string> used;
  std::vector<std::string> names;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.outputs.size() != 1 || node.outputs[0] == kNoValue || !lowering.is_bound(node.outputs[0])) continue;
    if (!leaves_its_module(graph, node, node.outputs[0])) continue;
    const int tensor = lowering.tensor_of(node.outputs[0]);
    if (lowering.tensor(tensor).is_constant() || !taken.insert(tensor).second) continue;
    std::string name = node.module_path();
    for (int n = 1; !used.insert(name).second; ++n) name = node.module_path() + "_" + std::to_string(n);
    outputs.push_back(tensor);
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace tinyml::lowering
