#include "codegen/cpp_forward.h"

#include <algorithm>
#include <iterator>

#include "codegen/control_flow_text.h"
#include "codegen/cpp_control_flow.h"
#include "codegen/cpp_text.h"
#include "codegen/forward_frame.h"
#include "codegen/node_text.h"

namespace tinyml::codegen {

/// A parameter, buffer or constant that the module can reach itself. Tied tensors are registered under their first name
/// only.
std::optional<std::string> CppForwardWriter::own_access(Frame& frame, ValueId value) {
  const Binding* binding = graph_.binding_of(value);
  if (binding == nullptr) return std::nullopt;
  const std::string& path = calls_.call(frame.call).path;
  if (binding->kind == BindingKind::kConstant) {
    if (!frame.single) return std::nullopt;
    const std::vector<NodeId> inside = calls_.nodes_of(frame.call);
    for (const NodeId user : graph_.value(value).users) {
      if (std::find(inside.begin(), inside.end(), user) == inside.end()) return std::nullopt;
    }
    const std::string name = modules_.add_constant(path, *binding);
    if (frame.constant_names.emplace(value, name).second) frame.constants.push_back(binding);
    return cpp_name(name);
  }
  const std::string& fqn = aliases_.canonical_name(binding->fqn);
  if (!is_inside(split_path(fqn).first, path)) return std::nullopt;
  return cpp_access(written_, path, fqn);
}

std::string CppForwardWriter::value_name(Frame& frame, ValueId value) {
  if (value == kDeviceValue) return frame.device_of.empty() ? "" : frame.device_of + ".device()";
  const auto named = frame.names.find(value);
  if (named != frame.names.end()) return cpp_name(named->second);
  const auto own = own_access(frame, value);
  TINYML_CHECK(own.has_value());
  return *own;
}

void CppForwardWriter::reserve_members(Frame& frame) const {
  const ModuleInfo& info = modules_.info(calls_.call(frame.call).path);
  for (const std::string& name : info.children) frame.reserved.push_back(cpp_name(name));
  for (const OwnTensor& tensor : info.tensors) frame.reserved.push_back(cpp_name(tensor.name));
}

void CppForwardWriter::add_parameters(Frame& frame, CppBody& body, const std::vector<std::string>& wishes) {
  NameSet names;
  for (const std::string& name : frame.reserved) names.add(name);
  for (size_t i = 0; i < frame.inputs.size(); ++i) {
    const ValueId value = frame.inputs[i];
    const std::string name = names.add(cpp_name(wishes[i]));
    frame.names[value] = name;
    frame.reserved.push_back(name);
    body.parameters.push_back(cpp_type(graph_, value) + " " + name);
    if (frame.device_of.empty() && graph_.value(value).kind == ValueKind::kTensor) frame.device_of = name;
  }
}

CppBody CppForwardWriter::write_body(CallId call, bool single) {
  Frame frame;
  frame.call = call;
  frame.single = single;
  collect(frame);
  std::erase_if(frame.inputs, [&](ValueId value) { return own_access(frame, value).has_value(); });
  reserve_members(frame);
  std::vector<std::string> wishes;
  size_t tensors = 0;
  for (const ValueId value : frame.inputs) {
    const Binding* binding = graph_.binding_of(value);
    const bool is_tensor = graph_.value(value).kind == ValueKind::kTensor;
    wishes.push_back(binding != nullptr ? to_identifier(split_path(binding->fqn).second) : is_tensor ? "x" : "size");
    if (binding == nullptr && is_tensor && tensors++ > 0) wishes.back() += std::to_string(tensors);
  }
  CppBody body;
  add_parameters(frame, body, wishes);
  assign_names(frame);
  write_body_lines(frame, body);
  write_return(frame, body, frame.outputs);
  body.shape.inputs = frame.inputs;
  body.shape.outputs = frame.outputs;
  body.constants = frame.constants;
  return body;
}

CppBody CppForwardWriter::write_root_body() {
  Frame frame;
  collect(frame);
  frame.inputs.clear();
  std::vector<std::string> wishes;
  for (const Input& input : graph_.inputs()) {
    if (input.value == kNoValue) continue;
    frame.inputs.push_back(input.value);
    wishes.push_back(input.name);
  }
  reserve_members(frame);
  CppBody body;
  add_parameters(frame, body, wishes);
  std::vector<ValueId> results;
  for (const Output& output : graph_.outputs()) {
    const bool user = output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss;
    output.value.for_each_value([&](ValueId value) {
      frame.outputs.push_back(value);
      if (user) results.push_back(value);
    });
  }
  assign_names(frame);
  write_body_lines(frame, body);
  write_return(frame, body, results);
  body.constants = frame.constants;
  return body;
}

void CppForwardWriter::write_body_lines(Frame& frame, CppBody& body) {
  std::set<std::string> declared;
  for (const ValueId input : frame.inputs) declared.insert(frame.names.at(input));
  for (const Item& item : calls_.call(frame.call).items) write_item(frame, body, item, declared);
}

void CppForwardWriter::write_item(Frame& frame, CppBody& body, const Item& item, std::set<std::string>& declared) {
  const ValueText value_text = [&](ValueId value) { return value_name(frame, value); };
  if (item.kind == Item::Kind::kMutation) {
    const bool buffer = graph_.binding_of(item.target) != nullptr;
    body.lines.push_back(value_text(item.target) + ".copy_(" + value_text(item.value) +
                         (buffer ? ".detach());" : ");"));
    return;
  }
  std::string right;
  bool list = false;
  if (item.kind == Item::Kind::kNode) {
    const Node& node = graph_.node(item.node);
    list = node.returns_list || is_control_flow(node);
    right = is_control_flow(node) ? write_control_flow(frame, body, node, declared) : cpp_node_text(node, value_text);
    if (right.empty()) return;
  } else {
    std::vector<std::string> arguments;
    for (const ValueId input : shapes_.at(item.call).inputs) arguments.push_back(value_text(input));
    const std::string callee = cpp_access(written_, calls_.call(frame.call).path, calls_.call(item.call).path);
    right = callee + (callee.ends_with(')') ? "." : "->") + "forward(" + join(arguments, ", ") + ")";
  }
  const std::vector<ValueId> outputs = writes(item);
  const auto is_used = [&](ValueId value) {
    return value != kNoValue && (frame.last_use.count(value) > 0 ||
                                 std::find(frame.outputs.begin(), frame.outputs.end(), value) != frame.outputs.end());
  };
  if (std::none_of(outputs.begin(), outputs.end(), is_used)) {
    body.lines.push_back(right + ";");
    return;
  }
  if (outputs.size() == 1 && !list) {
    const std::string name = value_text(outputs[0]);
    const bool is_new = declared.insert(name).second;
    if (name != right)
      body.lines.push_back((is_new ? cpp_type(graph_, outputs[0]) + " " : "") + name + " = " + right + ";");
    return;
  }
  // Several results: each used one by its place.
  std::string all = "results";
  for (int suffix = 1; !declared.insert(all).second; ++suffix) all = "results_" + std::to_string(suffix);
  body.lines.push_back("auto " + all + " = " + right + ";");
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!is_used(outputs[i])) continue;
    const std::string name = value_text(outputs[i]);
    const std::string part =
        list ? all + "[" + std::to_string(i) + "]" : "std::get<" + std::to_string(i) + ">(" + all + ")";
    const bool is_new = declared.insert(name).second;
    body.lines.push_back((is_new ? cpp_type(graph_, outputs[i]) + " " : "") + name + " = " + part + ";");
  }
}

/// The statements before the control flow, and the expression of its results.
std::string CppForwardWriter::write_control_flow(Frame& frame, CppBody& body, const Node& node,
                                                 std::set<std::string>& declared) {
  const ValueText value_text = [&](ValueId value) { return value_name(frame, value); };
  std::set<std::string> taken = declared;
  taken.insert(frame.reserved.begin(), frame.reserved.end());
  for (const auto& [value, name] : frame.names) taken.insert(cpp_name(name));
  const std::set<std::string> before = taken;
  const CppControlFlow flow = cpp_control_flow(node, value_text, taken);
  std::set_difference(taken.begin(), taken.end(), before.begin(), before.end(),
                      std::inserter(declared, declared.end()));
  body.lines.insert(body.lines.end(), flow.lines.begin(), flow.lines.end());
  return flow.results;
}

void CppForwardWriter::write_return(Frame& frame, CppBody& body, const std::vector<ValueId>& results) {
  std::vector<std::string> names;
  std::vector<std::string> types;
  for (const ValueId value : results) {
    names.push_back(value_name(frame, value));
    types.push_back(cpp_type(graph_, value));
  }
  if (results.empty()) {
    body.returns = "void";
    return;
  }
  body.returns = results.size() == 1 ? types[0] : "std::tuple<" + join(types, ", ") + ">";
  const std::string result = results.size() == 1 ? names[0] : "{" + join(names, ", ") + "}";
  // `x = f(x); return x;` reads better as one line.
  if (results.size() == 1 && !body.lines.empty()) {
    std::string& last = body.lines.back();
    for (const std::string& start : {names[0] + " = ", types[0] + " " + names[0] + " = "}) {
      if (!last.starts_with(start)) continue;
      last = "return " + last.substr(start.size());
      return;
    }
  }
  body.lines.push_back("return " + result + ";");
}

}  // namespace tinyml::codegen
