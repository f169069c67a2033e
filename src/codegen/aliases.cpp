#include <algorithm>
#include <set>
#include <tuple>

#include "codegen/call_tree.h"
#include "codegen/python_text.h"

namespace tinyml::codegen {
namespace {

using Identity = std::tuple<const std::byte*, std::vector<int64_t>, std::vector<int64_t>, int64_t, ScalarType>;

/// Tensor names inside each module: path -> relative names.
std::map<std::string, std::vector<std::string>> tensors_by_module(const Graph& graph) {
  std::map<std::string, std::vector<std::string>> result;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind == BindingKind::kConstant) continue;
    std::string path = split_path(binding.fqn).first;
    while (!path.empty()) {
      result[path].push_back(relative_path(binding.fqn, path));
      path = split_path(path).first;
    }
  }
  return result;
}

/// Paths of all modules that hold tensors, in the order of registration; a module comes before its children.
std::vector<std::string> module_paths(const Graph& graph) {
  std::vector<std::string> order;
  std::set<std::string> known;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind == BindingKind::kConstant) continue;
    std::string path;
    for (const std::string& part : split(split_path(binding.fqn).first, '.')) {
      path = path.empty() ? part : path + "." + part;
      if (known.insert(path).second) order.push_back(path);
    }
  }
  return order;
}

std::map<std::string, std::string> module_types(const Graph& graph) {
  std::map<std::string, std::string> types;
  for (const NodeId node : graph.nodes()) {
    for (const ModuleCall& call : graph.node(node).metadata.module_stack) types.emplace(call.path, call.type);
  }
  return types;
}

}  // namespace

Aliases::Aliases(const Graph& graph) {
  std::map<Identity, std::string> first;
  std::map<std::string, std::string> identities;  // Also of buffers, which are tied only where their module is.
  std::map<std::string, bool> has_parameter;
  for (const Binding& binding : graph.bindings()) {
    const Tensor& data = binding.data;
    std::string canonical = binding.fqn;
    // Empty tensors share no memory, and constants have no names that must be kept.
    if (binding.kind != BindingKind::kConstant && data.defined() && data.numel() > 0) {
      const Identity identity{data.storage().data(), data.shape(), data.strides(), data.offset(), data.type()};
      canonical = first.emplace(identity, binding.fqn).first->second;
    }
    identities[binding.fqn] = canonical;
    if (binding.kind != BindingKind::kParameter) canonical = binding.fqn;
    canonical_[binding.fqn] = canonical;
    for (std::string path = split_path(binding.fqn).first; !path.empty(); path = split_path(path).first) {
      has_parameter[path] |= binding.kind == BindingKind::kParameter;
    }
  }
  const auto modules = tensors_by_module(graph);
  const auto types = module_types(graph);
  std::map<std::vector<std::string>, std::string> seen;
  for (const std::string& path : module_paths(graph)) {
    const std::string parent = split_path(path).first;
    if (!has_parameter[path] || (!parent.empty() && canonical_path(parent) != parent)) continue;
    std::vector<std::string> signature = modules.at(path);
    std::sort(signature.begin(), signature.end());
    for (size_t i = 0, count = signature.size(); i < count; ++i) {
      signature.push_back(identities.at(path + "." + signature[i]));
    }
    const auto [entry, inserted] = seen.emplace(signature, path);
    if (inserted || is_inside(path, entry->second)) continue;
    const auto type = types.find(path);
    const auto other = types.find(entry->second);
    // An embedding and a linear layer may share their weight, and are two modules.
    if (type != types.end() && other != types.end() && type->second != other->second) continue;
    module_aliases_[path] = entry->second;
  }
  for (auto& [fqn, canonical] : canonical_) {
    const auto [module, name] = split_path(fqn);
    const std::string same = module.empty() ? fqn : canonical_path(module) + "." + name;
    if (canonical == fqn && canonical_.count(same) > 0) canonical = same;
  }
  for (const Binding& binding : graph.bindings()) names_[canonical_.at(binding.fqn)].push_back(binding.fqn);
}

const std::string& Aliases::canonical_name(const std::string& fqn) const { return canonical_.at(fqn); }

const std::vector<std::string>& Aliases::names_of(const std::string& fqn) const {
  return names_.at(canonical_.at(fqn));
}

std::string Aliases::canonical_path(const std::string& path) const {
  for (const auto& [alias, target] : module_aliases_) {
    if (path == alias) return target;
    if (is_inside(path, alias)) return target + "." + relative_path(path, alias);
  }
  return path;
}

}  // namespace tinyml::codegen
