#include "codegen/call_tree.h"

#include <algorithm>
#include <set>

namespace tinyml::codegen {
namespace {

/// The stack of a node without one is what its neighbours have in common: passes insert nodes between others.
std::vector<ModuleCall> common_stack(const std::vector<ModuleCall>& a, const std::vector<ModuleCall>& b) {
  std::vector<ModuleCall> common;
  for (size_t i = 0; i < std::min(a.size(), b.size()) && a[i].key == b[i].key; ++i) common.push_back(a[i]);
  return common;
}

std::map<NodeId, std::vector<ModuleCall>> module_stacks(const Graph& graph) {
  const std::vector<NodeId> nodes = graph.nodes();
  std::map<NodeId, std::vector<ModuleCall>> stacks;
  std::vector<std::vector<ModuleCall>> next(nodes.size() + 1);
  for (size_t i = nodes.size(); i-- > 0;) {
    const auto& own = graph.node(nodes[i]).metadata.module_stack;
    next[i] = own.empty() ? next[i + 1] : own;
  }
  std::vector<ModuleCall> previous;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& own = graph.node(nodes[i]).metadata.module_stack;
    stacks[nodes[i]] = own.empty() ? common_stack(previous, next[i]) : own;
    if (!own.empty()) previous = own;
  }
  return stacks;
}

}  // namespace

bool is_inside(std::string_view path, std::string_view module) {
  return module.empty() || path == module ||
         (path.size() > module.size() && path.starts_with(module) && path[module.size()] == '.');
}

std::string relative_path(std::string_view path, std::string_view module) {
  TINYML_CHECK(is_inside(path, module));
  if (module.empty()) return std::string(path);
  return path == module ? "" : std::string(path.substr(module.size() + 1));
}

std::pair<std::string, std::string> split_path(const std::string& path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

CallTree::CallTree(const Graph& graph, const Aliases& aliases) {
  calls_.push_back(Call{});
  std::vector<CallId> open = {kRootCall};
  std::map<std::string, std::vector<CallId>> by_key;
  const auto stacks = module_stacks(graph);
  for (const NodeId node : graph.nodes()) {
    const std::vector<ModuleCall>& stack = stacks.at(node);
    if (!stack.empty() && stack[0].path.empty()) calls_[kRootCall].type = stack[0].type;
    size_t level = 1;
    while (level < open.size() && level < stack.size() && calls_[open[level]].key == stack[level].key) ++level;
    open.resize(level);
    for (; level < stack.size(); ++level) {
      const CallId id = calls_.size();
      const CallId parent = open.back();
      calls_.push_back(
          Call{stack[level].key, aliases.canonical_path(stack[level].path), stack[level].type, parent, false, {}});
      calls_[parent].items.push_back(Item{.kind = Item::Kind::kCall, .call = id});
      by_key[stack[level].key].push_back(id);
      open.push_back(id);
    }
    calls_[open.back()].items.push_back(Item{.kind = Item::Kind::kNode, .node = node});
  }
  place_mutations(graph);
  dissolve_reentered(by_key);
  dissolve_outside();
}

void CallTree::place_mutations(const Graph& graph) {
  std::map<NodeId, size_t> position;
  for (const NodeId node : graph.nodes()) position.emplace(node, position.size());
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss || !output.value.is_value()) continue;
    Item item{.kind = Item::Kind::kMutation, .value = output.value.as_value()};
    if (output.kind == OutputKind::kInputMutation) {
      for (const Input& input : graph.inputs()) {
        if (input.name == output.target) item.target = input.value;
      }
    } else if (const Binding* binding = graph.find_binding(output.target)) {
      item.target = binding->value;
    }
    if (item.target == kNoValue) throw Error("The graph writes '" + output.target + "', which it does not have.");
    // The new value must exist, and whoever reads the old one must have done so.
    NodeId last = graph.value(item.value).producer;
    const auto consider = [&](NodeId node) {
      if (last == kNoNode || position.at(node) > position.at(last)) last = node;
    };
    for (const NodeId user : graph.value(item.target).users) consider(user);
    bool placed = false;
    for (Call& call : calls_) {
      const auto found = std::find_if(call.items.begin(), call.items.end(),
                                      [&](const Item& i) { return i.kind == Item::Kind::kNode && i.node == last; });
      if (found == call.items.end()) continue;
      call.items.insert(found + 1, item);
      placed = true;
      break;
    }
    if (!placed) calls_[kRootCall].items.push_back(item);
  }
}

void CallTree::dissolve_reentered(const std::map<std::string, std::vector<CallId>>& by_key) {
  for (const auto& [key, ids] : by_key) {
    if (ids.size() < 2) continue;
    for (const CallId id : ids) dissolve(id);
  }
}

void CallTree::dissolve_outside() {
  for (bool changed = true; changed;) {
    changed = false;
    for (CallId id = 1; id < calls_.size(); ++id) {
      if (calls_[id].dissolved) continue;
      const CallId parent = calls_[id].parent;
      const bool below = is_inside(calls_[id].path, calls_[parent].path) && calls_[id].path != calls_[parent].path;
      if (below) continue;
      // A module cannot reach its siblings, nor call itself.
      dissolve(parent == kRootCall ? id : parent);
      changed = true;
    }
  }
}

std::vector<CallId> CallTree::calls_of(const std::string& path) const {
  std::vector<CallId> ids;
  for (CallId id = 1; id < calls_.size(); ++id) {
    if (!calls_[id].dissolved && calls_[id].path == path) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> CallTree::paths() const {
  std::vector<std::string> result;
  std::set<std::string> seen;
  for (CallId id = 1; id < calls_.size(); ++id) {
    if (!calls_[id].dissolved && seen.insert(calls_[id].path).second) result.push_back(calls_[id].path);
  }
  return result;
}

void CallTree::dissolve(CallId id) {
  Call& call = calls_[id];
  if (call.dissolved) return;
  TINYML_CHECK(id != kRootCall);
  call.dissolved = true;
  Call& parent = calls_[call.parent];
  const auto place = std::find_if(parent.items.begin(), parent.items.end(),
                                  [&](const Item& item) { return item.kind == Item::Kind::kCall && item.call == id; });
  TINYML_CHECK(place != parent.items.end());
  for (const Item& item : call.items) {
    if (item.kind == Item::Kind::kCall) calls_[item.call].parent = call.parent;
  }
  const auto at = parent.items.erase(place);
  parent.items.insert(at, call.items.begin(), call.items.end());
  call.items.clear();
}

std::vector<NodeId> CallTree::nodes_of(CallId id) const {
  std::vector<NodeId> nodes;
  for (const Item& item : calls_[id].items) {
    if (item.kind == Item::Kind::kNode) nodes.push_back(item.node);
    if (item.kind == Item::Kind::kCall) {
      const std::vector<NodeId> inner = nodes_of(item.call);
      nodes.insert(nodes.end(), inner.begin(), inner.end());
    }
  }
  return nodes;
}

std::vector<Item> CallTree::mutations_of(CallId id) const {
  std::vector<Item> mutations;
  for (const Item& item : calls_[id].items) {
    if (item.kind == Item::Kind::kMutation) mutations.push_back(item);
    if (item.kind == Item::Kind::kCall) {
      const std::vector<Item> inner = mutations_of(item.call);
      mutations.insert(mutations.end(), inner.begin(), inner.end());
    }
  }
  return mutations;
}

}  // namespace tinyml::codegen
