#include "codegen/module_tree.h"

#include <algorithm>

#include "codegen/python_text.h"

namespace tinyml::codegen {
namespace {

std::string child_path(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

/// First occurrence of every module (and so of the modules around it) among the paths.
void note(std::map<std::string, size_t>& first, const std::string& path) {
  for (std::string p = path; !p.empty(); p = split_path(p).first) first.emplace(p, first.size());
}

}  // namespace

ModuleTree::ModuleTree(const Graph& graph, const Aliases& aliases, const CallTree& calls) {
  modules_[""];
  std::map<std::string, size_t> by_parameter;
  std::map<std::string, size_t> by_call;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind == BindingKind::kConstant) continue;
    const auto [path, name] = split_path(binding.fqn);
    if (aliases.canonical_path(path) != path) continue;
    add_path(path);
    modules_.at(path).tensors.push_back({name, &binding});
    if (binding.kind == BindingKind::kParameter) note(by_parameter, path);
  }
  for (const NodeId node : graph.nodes()) {
    for (const ModuleCall& call : graph.node(node).metadata.module_stack)
      note(by_call, aliases.canonical_path(call.path));
  }
  for (const std::string& path : calls.paths()) add_path(path);
  std::vector<std::string> all;
  for (const auto& [path, info] : modules_) all.push_back(path);
  for (const std::string& path : all) order_children(path, by_parameter, by_call);
  visit("");
}

void ModuleTree::add_path(const std::string& path) {
  if (modules_.count(path) > 0) return;
  const auto [parent, name] = split_path(path);
  add_path(parent);
  modules_[path];
  modules_.at(parent).children.push_back(name);
}

void ModuleTree::order_children(const std::string& path, const std::map<std::string, size_t>& by_parameter,
                                const std::map<std::string, size_t>& by_call) {
  std::vector<std::string>& children = modules_.at(path).children;
  if (std::all_of(children.begin(), children.end(), [](const std::string& name) { return is_index(name); })) {
    std::sort(children.begin(), children.end(),
              [](const auto& a, const auto& b) { return std::stol(a) < std::stol(b); });
    return;
  }
  const auto rank = [&](const std::map<std::string, size_t>& order, const std::string& name) {
    const auto found = order.find(child_path(path, name));
    return found == order.end() ? order.size() : found->second;
  };
  // Those with parameters keep the state_dict's order; the others follow the one that was called before them.
  std::vector<std::string> called = children;
  std::stable_sort(called.begin(), called.end(),
                   [&](const auto& a, const auto& b) { return rank(by_call, a) < rank(by_call, b); });
  std::vector<std::string> ordered;
  for (const std::string& name : children) {
    if (by_parameter.count(child_path(path, name)) > 0) ordered.push_back(name);
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [&](const auto& a, const auto& b) { return rank(by_parameter, a) < rank(by_parameter, b); });
  for (size_t i = 0; i < called.size(); ++i) {
    if (std::find(ordered.begin(), ordered.end(), called[i]) != ordered.end()) continue;
    auto place = ordered.begin();
    if (i > 0) place = std::find(ordered.begin(), ordered.end(), called[i - 1]) + 1;
    ordered.insert(place, called[i]);
  }
  children = ordered;
}

void ModuleTree::visit(const std::string& path) {
  if (!path.empty()) paths_.push_back(path);
  ModuleInfo& info = modules_.at(path);
  for (const std::string& name : info.children) {
    const std::string child = child_path(path, name);
    visit(child);
    info.height = std::max(info.height, modules_.at(child).height + 1);
  }
}

bool ModuleTree::is_list(const std::string& path) const {
  const ModuleInfo& info = modules_.at(path);
  const bool bare = std::all_of(info.tensors.begin(), info.tensors.end(),
                                [](const OwnTensor& tensor) { return tensor.binding->kind == BindingKind::kConstant; });
  return !info.children.empty() && bare &&
         std::all_of(info.children.begin(), info.children.end(),
                     [](const std::string& name) { return is_index(name); });
}

std::string ModuleTree::add_constant(const std::string& path, const Binding& binding) {
  ModuleInfo& info = modules_.at(path);
  for (const OwnTensor& tensor : info.tensors) {
    if (tensor.binding == &binding) return tensor.name;
  }
  std::string base = to_identifier(split_path(binding.fqn).second);
  if (base.starts_with("lifted_tensor") || base.starts_with("_tensor_constant")) base = "constant";
  std::string name = base;
  const auto taken = [&](const std::string& candidate) {
    return std::any_of(info.tensors.begin(), info.tensors.end(), [&](const auto& t) { return t.name == candidate; }) ||
           std::find(info.children.begin(), info.children.end(), candidate) != info.children.end();
  };
  for (int suffix = 1; taken(name); ++suffix) name = base + "_" + std::to_string(suffix);
  info.tensors.push_back({name, &binding});
  return name;
}

void ModuleTree::drop_constants(const std::string& path) {
  std::erase_if(modules_.at(path).tensors,
                [](const OwnTensor& tensor) { return tensor.binding->kind == BindingKind::kConstant; });
}

std::string ModuleTree::access_child(const std::string& parent, const std::string& self,
                                     const std::string& name) const {
  if (is_index(name) && modules_.count(parent) > 0 && is_list(parent)) return self + "[" + name + "]";
  if (is_identifier(name)) return self + "." + name;
  if (is_dictionary(parent)) return self + "[" + string_literal(name) + "]";
  return "getattr(" + self + ", " + string_literal(name) + ")";
}

std::string ModuleTree::access(const std::string& module, const std::string& path) const {
  std::string text = "self";
  std::string parent = module;
  for (const std::string& name : split(relative_path(path, module), '.')) {
    text = access_child(parent, text, name);
    parent = child_path(parent, name);
    if (modules_.count(parent) == 0) break;
  }
  return text;
}

}  // namespace tinyml::codegen
