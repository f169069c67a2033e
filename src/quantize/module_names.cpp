#include "quantize/module_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace tinyml::quantization {

bool are_tied(const Binding& a, const Binding& b) {
  return a.data.storage().data() == b.data.storage().data() && a.data.offset() == b.data.offset() &&
         a.data.shape() == b.data.shape();
}

bool is_layer_class(std::string_view type) {
  if (type.starts_with("tinyml.nn.")) return true;
  return type.starts_with("torch.nn.modules.") && !type.starts_with("torch.nn.modules.container.");
}

std::vector<ModuleCall> enclosing_calls(const Node& node) {
  std::vector<ModuleCall> stack = node.metadata.module_stack;
  const auto layer =
      std::find_if(stack.begin(), stack.end(), [](const ModuleCall& call) { return is_layer_class(call.type); });
  stack.erase(layer == stack.begin() && !stack.empty() ? layer + 1 : layer, stack.end());
  return stack;
}

std::string_view last_component(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string base_name(std::string_view op) {
  const size_t first = op.find('.');
  if (first == std::string_view::npos) return std::string(op);
  std::string_view rest = op.substr(first + 1);
  return std::string(rest.substr(0, rest.find('.')));
}

ModuleNames::ModuleNames(const Graph& graph) {
  for (const NodeId id : graph.nodes()) {
    for (const ModuleCall& call : graph.node(id).metadata.module_stack) {
      taken_[call.path] = true;
      if (call.path.empty() && root_.empty()) root_.push_back(call);
    }
  }
  for (const Binding& binding : graph.bindings()) taken_[binding.fqn] = true;
  if (root_.empty()) root_.push_back({"L__self__", "", "torch.nn.modules.module.Module"});
}

std::vector<ModuleCall> ModuleNames::call_after(const Node& node, std::string_view prefix, std::string_view type) {
  std::vector<ModuleCall> stack = enclosing_calls(node);
  const bool in_layer = stack.size() < node.metadata.module_stack.size();
  std::string name =
      in_layer ? std::string(last_component(node.metadata.module_stack[stack.size()].path)) : base_name(node.op);
  while (name.starts_with('_')) name.erase(0, 1);
  if (stack.empty()) stack = root_;
  return call_in(std::move(stack), std::string(prefix) + name, type);
}

std::vector<ModuleCall> ModuleNames::call_in_root(std::string_view name, std::string_view type) {
  return call_in(root_, std::string(name), type);
}

std::vector<ModuleCall> ModuleNames::call_inside(std::vector<ModuleCall> stack, std::string_view name,
                                                 std::string_view type) {
  TINYML_CHECK(!stack.empty());
  const ModuleCall& parent = stack.back();
  const std::string path = parent.path.empty() ? std::string(name) : fmt::format("{}.{}", parent.path, name);
  stack.push_back({fmt::format("{}_{}", parent.key, name), path, std::string(type)});
  return stack;
}

std::vector<ModuleCall> ModuleNames::call_in(std::vector<ModuleCall> stack, std::string name, std::string_view type) {
  std::map<std::string, int>& used = used_[stack.back().key];
  for (;;) {
    const int count = used[name]++;
    const std::string numbered = count == 0 ? name : fmt::format("{}_{}", name, count);
    std::vector<ModuleCall> result = call_inside(stack, numbered, type);
    if (!taken_.contains(result.back().path)) return result;
  }
}

}  // namespace tinyml::quantization
