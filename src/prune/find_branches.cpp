#include <algorithm>
#include <map>
#include <set>

#include "tinyml/analysis.h"
#include "tinyml/branches.h"

namespace tinyml {
namespace {

bool is_addition(const Graph& graph, const Node& node) {
  if (node.op != "aten.add.Tensor" || !node.arg("self").is_value() || !node.arg("other").is_value()) return false;
  if (node.arg("alpha").is_number() && node.arg("alpha").as_double() != 1.0) return false;
  const ValueId a = node.arg("self").as_value(), b = node.arg("other").as_value();
  return graph.value(a).kind == ValueKind::kTensor && graph.value(b).kind == ValueKind::kTensor &&
         graph.tensor_type(a).sizes() == graph.tensor_type(b).sizes();
}

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), position_(graph.node_limit(), 0) {
    size_t next = 0;
    for (const NodeId id : graph.nodes()) position_[index_of(id)] = ++next;
    for (const NodeCost& cost : count_cost(graph).nodes) macs_[cost.node] = cost.cost.macs;
    for (const NodeId id : graph.nodes()) ++calls_[graph.node(id).module_path()];
  }

  std::vector<ResidualBranch> run() {
    std::vector<ResidualBranch> result;
    for (const NodeId id : graph_.nodes()) {
      const Node& node = graph_.node(id);
      if (!is_addition(graph_, node)) continue;
      const ValueId a = node.arg("self").as_value(), b = node.arg("other").as_value();
      for (const auto& [shortcut, branch] : {std::pair(a, b), std::pair(b, a)}) {
        ResidualBranch found;
        if (shortcut == branch || !collect(id, shortcut, branch, found)) continue;
        result.push_back(std::move(found));
        break;
      }
    }
    make_unique(result);
    return result;
  }

 private:
  /// Position of the node that makes a value; 0 for placeholders.
  size_t position_of(ValueId value) const {
    const NodeId producer = graph_.value(value).producer;
    return producer == kNoNode ? 0 : position_[index_of(producer)];
  }

  /// Everything between the shortcut and the addition, if it depends on nothing else and nothing else reads it.
  bool collect(NodeId add, ValueId shortcut, ValueId result, ResidualBranch& found) const {
    const size_t limit = position_of(shortcut);
    std::set<NodeId> inside;
    std::vector<ValueId> open = {result};
    bool reaches = false;
    while (!open.empty()) {
      const ValueId value = open.back();
      open.pop_back();
      if (value == shortcut) {
        reaches = true;
        continue;
      }
      const NodeId producer = graph_.value(value).producer;
      if (producer == kNoNode) {
        if (graph_.binding_of(value) == nullptr) return false;  // Another input of the model.
        continue;
      }
      if (position_[index_of(producer)] <= limit) return false;
      if (!inside.insert(producer).second) continue;
      for (const NamedArgument& argument : graph_.node(producer).args) {
        argument.value.for_each_value([&](ValueId input) { open.push_back(input); });
      }
    }
    if (!reaches || inside.empty()) return false;
    for (const NodeId id : inside) {
      for (const ValueId output : graph_.node(id).outputs) {
        if (output == kNoValue) continue;
        if (graph_.is_output(output)) return false;
        for (const NodeId user : graph_.value(output).users) {
          if (!inside.contains(user) && user != add) return false;
        }
      }
      if (const auto cost = macs_.find(id); cost != macs_.end()) found.macs += cost->second;
    }
    if (found.macs == 0) return false;
    found.add = add;
    found.shortcut = shortcut;
    found.result = result;
    found.nodes.assign(inside.begin(), inside.end());
    std::sort(found.nodes.begin(), found.nodes.end(),
              [&](NodeId x, NodeId y) { return position_[index_of(x)] < position_[index_of(y)]; });
    describe(found);
    return true;
  }

  void describe(ResidualBranch& found) const {
    std::map<std::string, size_t> counts;
    std::vector<std::string> order;
    for (const NodeId id : found.nodes) {
      const std::string& path = graph_.node(id).module_path();
      if (counts[path]++ == 0) order.push_back(path);
    }
    for (const std::string& path : order) {
      if (counts[path] == calls_.at(path)) found.modules.push_back(path);
    }
    found.name = graph_.node(found.add).module_path();
  }

  static void make_unique(std::vector<ResidualBranch>& branches) {
    std::map<std::string, int> seen;
    for (ResidualBranch& branch : branches) ++seen[branch.name];
    std::map<std::string, int> next;
    for (ResidualBranch& branch : branches) {
      if (seen[branch.name] > 1)
        branch.name += (branch.name.empty() ? "#" : ".#") + std::to_string(next[branch.name]++);
    }
  }

  const Graph& graph_;
  std::vector<size_t> position_;
  std::map<NodeId, int64_t> macs_;
  std::map<std::string, size_t> calls_;  ///< Operators by innermost module.
};

}  // namespace

std::vector<ResidualBranch> find_residual_branches(const Graph& graph) { return Finder(graph).run(); }

Graph remove_branches(const Graph& graph, const std::vector<std::string>& names) {
  if (names.empty()) return graph;
  Graph result = graph;
  const std::vector<ResidualBranch> branches = find_residual_branches(graph);
  std::vector<Diagnostic> problems;
  for (const std::string& name : names) {
    const auto found = std::find_if(branches.begin(), branches.end(),
                                    [&](const ResidualBranch& branch) { return branch.name == name; });
    if (found == branches.end()) {
      problems.push_back({"the model has no residual branch '" + name + "' with an identity shortcut", name, {}, ""});
      continue;
    }
    const Node& add = result.node(found->add);
    // An earlier removal may have changed what the shortcut is.
    const size_t kept = add.arg("self").is_value() && add.arg("self").as_value() == found->result ? 1 : 0;
    const ValueId shortcut = add.args[kept].value.as_value();
    result.replace_all_uses(add.outputs[0], shortcut);
  }
  if (!problems.empty()) throw Error("the branches cannot be removed", std::move(problems));
  result.erase_dead_nodes();
  // Statistics that no operator reads go with their module.
  const auto inside = [&](const std::string& fqn) {
    return std::any_of(branches.begin(), branches.end(), [&](const ResidualBranch& branch) {
      return std::find(names.begin(), names.end(), branch.name) != names.end() &&
             std::find(branch.modules.begin(), branch.modules.end(), fqn.substr(0, fqn.rfind('.'))) !=
                 branch.modules.end();
    });
  };
  std::vector<ValueId> unused;
  for (const Binding& binding : result.bindings()) {
    if (!result.is_unused(binding.value)) continue;
    if (!graph.is_unused(binding.value) || inside(binding.fqn)) unused.push_back(binding.value);
  }
  for (const ValueId value : unused) result.erase_binding(value);
  return result;
}

}  // namespace tinyml
