#include "codegen/forward_text.h"

#include <algorithm>
#include <set>

#include "codegen/control_flow_text.h"
#include "codegen/forward_frame.h"
#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

std::string fill_pattern(const std::string& pattern, const std::vector<std::string>& items) {
  if (pattern.empty()) return join(items, ", ");
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      out += pattern[i];
      continue;
    }
    const size_t close = pattern.find('}', i);
    out += items.at(std::stoul(pattern.substr(i + 1, close - i - 1)));
    i = close;
  }
  return out;
}

}  // namespace

std::vector<ValueId> ForwardWriter::reads(const Item& item) const {
  std::vector<ValueId> values;
  if (item.kind == Item::Kind::kNode) {
    for (const NamedArgument& argument : graph_.node(item.node).args) {
      argument.value.for_each_value([&](ValueId value) {
        if (value != kNoValue) values.push_back(value);
      });
    }
  } else if (item.kind == Item::Kind::kCall) {
    values = shapes_.at(item.call).inputs;
  } else {
    values = {item.target, item.value};
  }
  return values;
}

std::vector<ValueId> ForwardWriter::writes(const Item& item) const {
  if (item.kind == Item::Kind::kNode) return graph_.node(item.node).outputs;
  if (item.kind == Item::Kind::kCall) return shapes_.at(item.call).outputs;
  return {};
}

/// The text of a parameter, buffer or constant that the module can reach itself.
std::optional<std::string> ForwardWriter::own_text(Frame& frame, ValueId value) {
  const Binding* binding = graph_.binding_of(value);
  if (binding == nullptr) return std::nullopt;
  const std::string& path = calls_.call(frame.call).path;
  if (binding->kind == BindingKind::kConstant) {
    if (!frame.single) return std::nullopt;
    const std::vector<NodeId> inside = calls_.nodes_of(frame.call);
    for (const NodeId user : graph_.value(value).users) {
      if (std::find(inside.begin(), inside.end(), user) == inside.end()) return std::nullopt;
    }
    const auto known = frame.constant_names.find(value);
    if (known != frame.constant_names.end()) return known->second;
    const std::string text = "self." + modules_.add_constant(path, *binding);
    frame.constants.push_back(binding);
    frame.constant_names[value] = text;
    return text;
  }
  for (const std::string& fqn : aliases_.names_of(binding->fqn)) {
    const auto [module, name] = split_path(fqn);
    if (is_inside(module, path) && aliases_.canonical_path(module) == module) return modules_.access(path, fqn);
  }
  return std::nullopt;
}

void ForwardWriter::collect(Frame& frame) const {
  const std::vector<Item>& items = calls_.call(frame.call).items;
  std::set<ValueId> made;
  std::set<ValueId> seen;
  for (size_t i = 0; i < items.size(); ++i) {
    for (const ValueId value : reads(items[i])) {
      frame.last_use[value] = i;
      if (made.count(value) == 0 && seen.insert(value).second) frame.inputs.push_back(value);
    }
    for (const ValueId value : writes(items[i])) {
      if (value == kNoValue) continue;
      made.insert(value);
      frame.produced.push_back(value);
    }
  }
  const std::vector<NodeId> inner = calls_.nodes_of(frame.call);
  const std::set<NodeId> inside(inner.begin(), inner.end());
  std::set<ValueId> written;
  for (const Item& mutation : calls_.mutations_of(frame.call)) written.insert(mutation.value);
  for (const ValueId value : frame.produced) {
    const std::vector<NodeId>& users = graph_.value(value).users;
    bool needed = std::any_of(users.begin(), users.end(), [&](NodeId user) { return inside.count(user) == 0; });
    for (const Output& output : graph_.outputs()) {
      const bool mutation = output.kind != OutputKind::kUser && output.kind != OutputKind::kLoss;
      if (mutation && written.count(value) > 0) continue;
      output.value.for_each_value([&](ValueId id) { needed = needed || id == value; });
    }
    if (needed) frame.outputs.push_back(value);
  }
}

void ForwardWriter::write_lines(Frame& frame, Body& body, bool is_root) {
  const std::vector<Item>& items = calls_.call(frame.call).items;
  const std::string& path = calls_.call(frame.call).path;
  const ValueText value_text = [&](ValueId value) -> std::string {
    if (value == kDeviceValue) return frame.device_of.empty() ? "" : frame.device_of + ".device";
    const auto named = frame.names.find(value);
    if (named != frame.names.end()) return named->second;
    const auto own = own_text(frame, value);
    TINYML_CHECK(own.has_value());
    return *own;
  };
  for (size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (item.kind == Item::Kind::kMutation) {
      const bool buffer = graph_.binding_of(item.target) != nullptr;
      body.lines.push_back(value_text(item.target) + ".copy_(" + value_text(item.value) +
                           (buffer ? ".detach())" : ")"));
      continue;
    }
    std::string right;
    std::string pattern;
    if (item.kind == Item::Kind::kNode) {
      const Node& node = graph_.node(item.node);
      if (is_control_flow(node)) {
        std::set<std::string> taken(frame.reserved.begin(), frame.reserved.end());
        for (const auto& [value, name] : frame.names) taken.insert(name);
        ControlFlowText text = control_flow_text(node, value_text, taken);
        body.lines.insert(body.lines.end(), text.lines.begin(), text.lines.end());
        right = std::move(text.call);
      } else {
        right = node_text(graph_, node, value_text);
      }
    } else {
      const CallShape& shape = shapes_.at(item.call);
      std::vector<std::string> arguments;
      for (const ValueId input : shape.inputs) arguments.push_back(value_text(input));
      right =
          modules_.access(path, calls_.call(item.call).path) + "(" + fill_pattern(shape.input_pattern, arguments) + ")";
      pattern = shape.output_pattern;
    }
    const std::vector<ValueId> outputs = writes(item);
    const auto is_used = [&](ValueId value) {
      return value != kNoValue && (frame.last_use.count(value) > 0 ||
                                   std::find(frame.outputs.begin(), frame.outputs.end(), value) != frame.outputs.end());
    };
    const bool any_used = std::any_of(outputs.begin(), outputs.end(), is_used);
    if (!any_used) {
      body.lines.push_back(right);
      continue;
    }
    const bool last = i + 1 == items.size() && !is_root;
    if (last && outputs.size() == 1 && frame.outputs == outputs && pattern.empty() &&
        !(item.kind == Item::Kind::kNode && graph_.node(item.node).returns_list)) {
      body.lines.push_back("return " + right);
      return;
    }
    std::vector<std::string> left;
    for (const ValueId value : outputs) left.push_back(is_used(value) ? value_text(value) : "_");
    std::string target = fill_pattern(pattern, left);
    if (item.kind == Item::Kind::kNode && graph_.node(item.node).returns_list && left.size() == 1)
      target = "(" + target + ",)";
    if (target != right) body.lines.push_back(target + " = " + right);
  }
  if (is_root) return;
  std::vector<std::string> results;
  for (const ValueId value : frame.outputs) results.push_back(value_text(value));
  if (!results.empty()) body.lines.push_back("return " + join(results, ", "));
  if (body.lines.empty()) body.lines.emplace_back("pass");
}

Body ForwardWriter::write(CallId call, bool single) {
  Frame frame;
  frame.call = call;
  frame.single = single;
  collect(frame);
  std::vector<ValueId> inputs;
  for (const ValueId value : frame.inputs) {
    if (!own_text(frame, value)) inputs.push_back(value);
  }
  frame.inputs = inputs;
  Body body;
  size_t tensors = 0;
  for (const ValueId value : inputs) {
    tensors += graph_.binding_of(value) == nullptr && graph_.value(value).kind == ValueKind::kTensor ? 1 : 0;
  }
  NameSet names;
  size_t index = 0;
  for (const ValueId value : inputs) {
    const Binding* binding = graph_.binding_of(value);
    const bool is_tensor = graph_.value(value).kind == ValueKind::kTensor;
    std::string base;
    if (binding != nullptr) {
      base = to_identifier(split_path(binding->fqn).second);
    } else if (!is_tensor) {
      base = "size";
    } else if (tensors <= 3) {
      base = std::string(1, static_cast<char>('x' + index++));
    } else {
      base = "x" + std::to_string(index++);
    }
    frame.names[value] = names.add(base);
    body.parameters.push_back(frame.names[value]);
    body.tensors.push_back(is_tensor);
    if (frame.device_of.empty() && is_tensor) frame.device_of = frame.names[value];
  }
  frame.reserved = body.parameters;
  assign_names(frame);
  write_lines(frame, body, false);
  body.shape.inputs = frame.inputs;
  body.shape.outputs = frame.outputs;
  body.constants = frame.constants;
  return body;
}

Body ForwardWriter::write_root(const RootSignature& signature, std::map<ValueId, std::string>& names_out) {
  Frame frame;
  collect(frame);
  std::vector<ValueId> inputs;
  for (const ValueId value : frame.inputs) {
    if (!own_text(frame, value)) inputs.push_back(value);
  }
  frame.inputs = inputs;
  frame.names = signature.input_names;
  frame.reserved = signature.reserved;
  frame.device_of = signature.device_of;
  // Inputs stay readable for the return statement.
  for (const Output& output : graph_.outputs()) {
    output.value.for_each_value([&](ValueId value) { frame.outputs.push_back(value); });
  }
  assign_names(frame);
  Body body;
  write_lines(frame, body, true);
  for (const Output& output : graph_.outputs()) {
    if (output.kind != OutputKind::kUser && output.kind != OutputKind::kLoss) continue;
    output.value.for_each_value([&](ValueId value) {
      const auto named = frame.names.find(value);
      if (named != frame.names.end())
        names_out[value] = named->second;
      else if (const auto own = own_text(frame, value))
        names_out[value] = *own;
    });
  }
  body.constants = frame.constants;
  return body;
}

bool ForwardWriter::is_chain(CallId call) const {
  const std::vector<Item>& items = calls_.call(call).items;
  const std::string& path = calls_.call(call).path;
  const ModuleInfo& info = modules_.info(path);
  if (items.empty() || items.size() != info.children.size() || !info.tensors.empty()) return false;
  ValueId previous = kNoValue;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].kind != Item::Kind::kCall) return false;
    const std::string expected = path.empty() ? info.children[i] : path + "." + info.children[i];
    const CallShape& shape = shapes_.at(items[i].call);
    if (calls_.call(items[i].call).path != expected) return false;
    if (shape.inputs.size() != 1 || shape.outputs.size() != 1 || !shape.input_pattern.empty() ||
        !shape.output_pattern.empty()) {
      return false;
    }
    if (i > 0 && shape.inputs[0] != previous) return false;
    previous = shape.outputs[0];
  }
  Frame frame;
  frame.call = call;
  collect(frame);
  return frame.outputs == std::vector<ValueId>{previous};
}

}  // namespace tinyml::codegen
