#include "codegen/module_form.h"

namespace tinyml::codegen {
namespace {

/// Whether the value is made in the group by torch.zeros: the initial state of a module called without one.
bool is_zero_state(const LeafGroup& group, const Argument& argument) {
  if (!argument.is_value()) return false;
  const NodeId producer = group.graph.value(argument.as_value()).producer;
  for (const NodeId id : group.node_ids) {
    if (id == producer) return group.graph.node(id).op == "aten.zeros.default";
  }
  return false;
}

/// The states behind the input, unless they are the zeros that the module makes itself.
void add_states(const LeafGroup& group, const Argument& given, ModuleForm& form) {
  const Argument::List states = given.is_list() ? given.as_list() : Argument::List{given};
  bool zero = true;
  for (const Argument& item : states) zero = zero && is_zero_state(group, item);
  if (zero) return;
  for (const Argument& item : states) form.inputs.push_back(item.as_value());
  if (states.size() == 2) form.input_pattern = "{0}, ({1}, {2})";
}

/// Names in the order the operator takes its parameters.
std::vector<std::string> parameter_names(int64_t layers, bool bidirectional, bool bias, bool projection) {
  std::vector<std::string> names;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (const std::string direction : {"", "_reverse"}) {
      if (!direction.empty() && !bidirectional) continue;
      const std::string suffix = "_l" + std::to_string(layer) + direction;
      names.push_back("weight_ih" + suffix);
      names.push_back("weight_hh" + suffix);
      if (bias) names.insert(names.end(), {"bias_ih" + suffix, "bias_hh" + suffix});
      if (projection) names.push_back("weight_hr" + suffix);
    }
  }
  return names;
}

}  // namespace

std::optional<ModuleForm> recurrent_form(const LeafGroup& group) {
  if (group.size() == 0 || !group.mutations.empty()) return std::nullopt;
  const Node& node = group.node(group.size() - 1);
  const bool lstm = node.op == "aten.lstm.input";
  const std::string name = class_name_of(group.type);
  const bool known = (lstm && name == "LSTM") || (node.op == "aten.gru.input" && name == "GRU") ||
                     (name == "RNN" && (node.op == "aten.rnn_tanh.input" || node.op == "aten.rnn_relu.input"));
  if (!known) return std::nullopt;
  for (size_t i = 0; i + 1 < group.size(); ++i) {
    if (group.node(i).op != "aten.zeros.default") return std::nullopt;
  }
  const Binding* input_weight = group.own("weight_ih_l0");
  const Binding* hidden_weight = group.own("weight_hh_l0");
  if (input_weight == nullptr || hidden_weight == nullptr) return std::nullopt;
  const int64_t layers = node.arg("num_layers").as_int();
  const bool bidirectional = node.arg("bidirectional").as_bool();
  const bool bias = node.arg("has_biases").as_bool();
  const bool projection = group.own("weight_hr_l0") != nullptr;
  const std::vector<std::string> names = parameter_names(layers, bidirectional, bias, projection);
  const Argument::List& parameters = node.arg("params").as_list();
  if (parameters.size() != names.size()) return std::nullopt;
  for (size_t i = 0; i < names.size(); ++i) {
    if (group.own(names[i]) == nullptr || !group.is_own_or_none(parameters[i], names[i])) return std::nullopt;
  }
  const int64_t gates = lstm ? 4 : (name == "GRU" ? 3 : 1);

  ModuleForm form;
  CallText& call = form.constructor;
  call.callee = "nn." + name;
  call.positional("input_size", std::to_string(input_weight->data.size(1)));
  call.positional("hidden_size", std::to_string(hidden_weight->data.size(0) / gates));
  call.keyword("num_layers", std::to_string(layers), "1");
  if (name == "RNN")
    call.keyword("nonlinearity", node.op == "aten.rnn_relu.input" ? "\"relu\"" : "\"tanh\"", "\"tanh\"");
  call.keyword("bias", bool_literal(bias), "True");
  call.keyword("batch_first", bool_literal(node.arg("batch_first").as_bool()), "False");
  call.keyword("dropout", float_literal(node.arg("dropout").as_double()), "0.0");
  call.keyword("bidirectional", bool_literal(bidirectional), "False");
  if (projection) call.keyword("proj_size", std::to_string(group.own("weight_hr_l0")->data.size(0)), "0");
  add_dtype(call, input_weight->data);

  form.tensors = names;
  form.inputs = {node.arg("input").as_value()};
  add_states(group, node.arg("hx"), form);
  form.outputs = node.outputs;
  if (lstm) form.output_pattern = "{0}, ({1}, {2})";
  return form;
}

std::optional<ModuleForm> recurrent_cell_form(const LeafGroup& group) {
  if (group.size() == 0 || !group.mutations.empty()) return std::nullopt;
  const Node& node = group.node(group.size() - 1);
  const bool lstm = node.op == "aten.lstm_cell.default";
  const bool relu = node.op == "aten.rnn_relu_cell.default";
  const std::string name = class_name_of(group.type);
  const bool known = (lstm && name == "LSTMCell") || (node.op == "aten.gru_cell.default" && name == "GRUCell") ||
                     (name == "RNNCell" && (relu || node.op == "aten.rnn_tanh_cell.default"));
  if (!known) return std::nullopt;
  for (size_t i = 0; i + 1 < group.size(); ++i) {
    if (group.node(i).op != "aten.zeros.default") return std::nullopt;
  }
  ModuleForm form;
  form.tensors = {"weight_ih", "weight_hh"};
  if (group.own("bias_ih") != nullptr) form.tensors.insert(form.tensors.end(), {"bias_ih", "bias_hh"});
  for (const std::string& tensor : form.tensors) {
    if (group.own(tensor) == nullptr) return std::nullopt;
  }
  constexpr std::pair<const char*, const char*> kArguments[] = {
      {"w_ih", "weight_ih"}, {"w_hh", "weight_hh"}, {"b_ih", "bias_ih"}, {"b_hh", "bias_hh"}};
  for (const auto& [argument, tensor] : kArguments) {
    if (!group.is_own_or_none(node.arg(argument), tensor)) return std::nullopt;
  }
  CallText& call = form.constructor;
  call.callee = "nn." + name;
  call.positional("input_size", std::to_string(group.own("weight_ih")->data.size(1)));
  call.positional("hidden_size", std::to_string(group.own("weight_hh")->data.size(1)));
  call.keyword("bias", bool_literal(form.tensors.size() == 4), "True");
  if (name == "RNNCell") call.keyword("nonlinearity", relu ? "\"relu\"" : "\"tanh\"", "\"tanh\"");
  add_dtype(call, group.own("weight_ih")->data);

  form.inputs = {node.arg("input").as_value()};
  add_states(group, node.arg("hx"), form);
  form.outputs = node.outputs;
  return form;
}

}  // namespace tinyml::codegen
