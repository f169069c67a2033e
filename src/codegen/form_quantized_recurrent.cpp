// tinyml.nn's recurrent modules, written out in the graph step by step.
#include <algorithm>

#include "codegen/module_form.h"
#include "graph/node_notes.h"
#include "graph/structure_digest.h"

namespace tinyml::codegen {
namespace {

/// Adds "name=value;name=value".
void add_arguments(CallText& call, const std::string& text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    if (const size_t equals = item.find('='); equals != std::string::npos) {
      const std::string name = item.substr(0, equals);
      const std::string usual = name == "weight_range" ? "(-127, 127)" : (name == "per_channel" ? "True" : "");
      call.keyword(name, item.substr(equals + 1), usual);
    }
    begin = end + 1;
  }
}

/// Made by the group's nodes, or one of its own tensors.
bool comes_from_inside(const LeafGroup& group, ValueId value) {
  const Binding* binding = group.graph.binding_of(value);
  if (binding != nullptr) return binding->fqn.starts_with(group.path + ".");
  const NodeId producer = group.graph.value(value).producer;
  return std::find(group.node_ids.begin(), group.node_ids.end(), producer) != group.node_ids.end();
}

/// The value behind its FakeQuant in the group, if there is one.
ValueId quantized_inside(const LeafGroup& group, ValueId value) {
  for (const NodeId user : group.graph.value(value).users) {
    const Node& node = group.graph.node(user);
    const bool inside = std::find(group.node_ids.begin(), group.node_ids.end(), user) != group.node_ids.end();
    if (inside && is_fake_quantize(node)) return node.output();
  }
  return value;
}

}  // namespace

std::optional<ModuleForm> quantized_recurrent_form(const LeafGroup& group) {
  constexpr size_t kDigits = 16;
  if (group.size() == 0 || !group.mutations.empty()) return std::nullopt;
  const std::string* note = note_of(group.node(group.size() - 1), "tinyml.recurrent");
  if (note == nullptr || note->size() < kDigits) return std::nullopt;
  if (note->substr(0, kDigits) != structure_digest(group.graph, group.node_ids, group.path)) return std::nullopt;
  const Binding* input_weight = group.own("weight_ih_l0");
  const Binding* hidden_weight = group.own("weight_hh_l0");
  if (input_weight == nullptr || hidden_weight == nullptr) return std::nullopt;

  const std::string name = class_name_of(group.type);
  const int64_t gates = name == "QuantLSTM" ? 4 : (name == "QuantGRU" ? 3 : 1);
  int64_t layers = 1;
  while (group.own("weight_ih_l" + std::to_string(layers)) != nullptr) ++layers;
  ModuleForm form;
  CallText& call = form.constructor;
  call.callee = "qnn." + name;
  call.positional("input_size", std::to_string(input_weight->data.size(1)));
  call.positional("hidden_size", std::to_string(hidden_weight->data.size(0) / gates));
  call.keyword("num_layers", std::to_string(layers), "1");
  call.keyword("bias", bool_literal(group.own("bias_ih_l0") != nullptr), "True");
  call.keyword("bidirectional", bool_literal(group.own("weight_ih_l0_reverse") != nullptr), "False");
  if (const Binding* projection = group.own("weight_hr_l0")) {
    call.keyword("proj_size", std::to_string(projection->data.size(0)), "0");
  }
  add_arguments(call, note->substr(kDigits));

  form.tensors = group.own_names();
  form.outputs.assign(gates == 4 ? 3 : 2, kNoValue);
  for (size_t i = 0; i < group.size(); ++i) {
    const Node& node = group.node(i);
    if (const std::string* index = note_of(node, "tinyml.recurrent_output")) {
      form.outputs.at(static_cast<size_t>(std::stoi(*index))) = quantized_inside(group, node.output());
    }
    // The input is read first, then the states of the first layer.
    for (const NamedArgument& argument : node.args) {
      argument.value.for_each_value([&](ValueId value) {
        const bool known = std::find(form.inputs.begin(), form.inputs.end(), value) != form.inputs.end();
        if (!known && !comes_from_inside(group, value)) form.inputs.push_back(value);
      });
    }
  }
  if (gates == 4) {
    if (form.inputs.size() == 3) form.input_pattern = "{0}, ({1}, {2})";
    form.output_pattern = "{0}, ({1}, {2})";
  }
  const size_t states = gates == 4 ? 2 : 1;
  if (form.inputs.size() != 1 && form.inputs.size() != 1 + states) return std::nullopt;
  return form;
}

}  // namespace tinyml::codegen
