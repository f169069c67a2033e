#include "codegen/module_form.h"

#include <algorithm>
#include <map>

namespace tinyml::codegen {
namespace {

using FormFunction = std::optional<ModuleForm> (*)(const LeafGroup&);

const std::map<std::string, FormFunction, std::less<>>& form_functions() {
  static const std::map<std::string, FormFunction, std::less<>> table = {
      {"torch.nn.modules.conv.Conv1d", conv_form},
      {"torch.nn.modules.conv.Conv2d", conv_form},
      {"torch.nn.modules.conv.Conv3d", conv_form},
      {"torch.nn.modules.conv.ConvTranspose1d", conv_form},
      {"torch.nn.modules.conv.ConvTranspose2d", conv_form},
      {"torch.nn.modules.conv.ConvTranspose3d", conv_form},
      {"torch.nn.modules.linear.Linear", linear_form},
      {"torch.nn.modules.sparse.Embedding", embedding_form},
      {"torch.nn.modules.batchnorm.BatchNorm1d", batch_norm_form},
      {"torch.nn.modules.batchnorm.BatchNorm2d", batch_norm_form},
      {"torch.nn.modules.batchnorm.BatchNorm3d", batch_norm_form},
      {"torch.nn.modules.normalization.GroupNorm", group_norm_form},
      {"torch.nn.modules.normalization.LayerNorm", layer_norm_form},
      {"torch.nn.modules.normalization.RMSNorm", layer_norm_form},
      {"torch.nn.modules.instancenorm.InstanceNorm1d", instance_norm_form},
      {"torch.nn.modules.instancenorm.InstanceNorm2d", instance_norm_form},
      {"torch.nn.modules.instancenorm.InstanceNorm3d", instance_norm_form},
      {"torch.nn.modules.activation.PReLU", prelu_form},
      {"torch.nn.modules.rnn.LSTM", recurrent_form},
      {"torch.nn.modules.rnn.GRU", recurrent_form},
      {"torch.nn.modules.rnn.RNN", recurrent_form},
      {"torch.nn.modules.rnn.LSTMCell", recurrent_cell_form},
      {"torch.nn.modules.rnn.GRUCell", recurrent_cell_form},
      {"torch.nn.modules.rnn.RNNCell", recurrent_cell_form},
      {"torch.nn.modules.upsampling.Upsample", upsample_form},
      {"tinyml.nn.fake_quantize.FakeQuantize", fake_quantize_form},
      {"tinyml.nn.fake_quantize.WeightFakeQuantize", fake_quantize_form},
      {"tinyml.nn.fake_quantize.Requantize", fake_quantize_form},
      {"tinyml.nn.quant_layers.QuantConv1d", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantConv2d", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantConv3d", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantConvTranspose1d", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantConvTranspose2d", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantConvTranspose3d", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantLinear", quantized_layer_form},
      {"tinyml.nn.quant_layers.QuantEmbedding", quantized_layer_form},
      {"tinyml.nn.quant_recurrent.QuantLSTM", quantized_recurrent_form},
      {"tinyml.nn.quant_recurrent.QuantGRU", quantized_recurrent_form},
      {"tinyml.nn.quant_recurrent.QuantRNN", quantized_recurrent_form},
      {"tinyml.nn.qat_conv.ConvBn1d", quantized_layer_form},
      {"tinyml.nn.qat_conv.ConvBn2d", quantized_layer_form},
      {"tinyml.nn.qat_conv.ConvBn3d", quantized_layer_form},
      {"tinyml.nn.qat_conv.ConvTransposeBn1d", quantized_layer_form},
      {"tinyml.nn.qat_conv.ConvTransposeBn2d", quantized_layer_form},
      {"tinyml.nn.qat_conv.ConvTransposeBn3d", quantized_layer_form},
      {"tinyml.nn.qat_conv.LinearBn1d", quantized_layer_form},
  };
  return table;
}

/// Values the group reads from outside it (its own tensors not counted), in the order of first use.
bool inputs_are(const LeafGroup& group, const ModuleForm& form) {
  std::vector<ValueId> allowed = form.inputs;
  for (const NodeId id : group.node_ids) {
    const Node& node = group.graph.node(id);
    allowed.insert(allowed.end(), node.outputs.begin(), node.outputs.end());
  }
  for (const NodeId id : group.node_ids) {
    for (const NamedArgument& argument : group.graph.node(id).args) {
      bool known = true;
      argument.value.for_each_value([&](ValueId value) {
        const bool own = std::any_of(form.tensors.begin(), form.tensors.end(), [&](const std::string& name) {
          return group.is_own_or_none(Argument(value), name);
        });
        known =
            known && (value == kNoValue || own || std::find(allowed.begin(), allowed.end(), value) != allowed.end());
      });
      if (!known) return false;
    }
  }
  return true;
}

/// Whether nothing but the form's outputs is read outside the group.
bool outputs_are(const LeafGroup& group, const ModuleForm& form) {
  std::vector<ValueId> written;
  for (const Item& mutation : group.mutations) written.push_back(mutation.value);
  for (const NodeId id : group.node_ids) {
    for (const ValueId value : group.graph.node(id).outputs) {
      if (value == kNoValue || std::find(form.outputs.begin(), form.outputs.end(), value) != form.outputs.end())
        continue;
      for (const NodeId user : group.graph.value(value).users) {
        if (std::find(group.node_ids.begin(), group.node_ids.end(), user) == group.node_ids.end()) return false;
      }
      const bool is_written = std::find(written.begin(), written.end(), value) != written.end();
      if (!is_written && group.graph.is_output(value)) return false;
    }
  }
  return true;
}

}  // namespace

LeafGroup::LeafGroup(const Graph& g, const Aliases& aliases, const CallTree& tree, CallId call)
    : graph(g),
      path(tree.call(call).path),
      type(tree.call(call).type),
      node_ids(tree.nodes_of(call)),
      mutations(tree.mutations_of(call)),
      aliases_(aliases) {}

const Binding* LeafGroup::own(const std::string& name) const { return graph.find_binding(path + "." + name); }

bool LeafGroup::is_own_or_none(const Argument& argument, const std::string& name) const {
  const Binding* expected = own(name);
  if (argument.is_none()) return expected == nullptr;
  if (!argument.is_value() || expected == nullptr) return false;
  const Binding* actual = graph.binding_of(argument.as_value());
  return actual != nullptr && aliases_.canonical_name(actual->fqn) == aliases_.canonical_name(expected->fqn);
}

std::vector<std::string> LeafGroup::own_names() const {
  std::vector<std::string> names;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind != BindingKind::kConstant && is_inside(binding.fqn, path))
      names.push_back(relative_path(binding.fqn, path));
  }
  return names;
}

std::vector<int64_t> LeafGroup::sizes(const Argument& argument) const {
  return graph.tensor_type(argument.as_value()).sizes();
}

std::string class_name_of(const std::string& type) {
  const std::string name = split_path(type).second;
  return is_identifier(name) ? name : to_identifier(name);
}

void add_dtype(CallText& call, const Tensor& tensor) {
  call.keyword("dtype", "torch." + std::string(name_of(tensor.type())), "torch.float32");
}

std::optional<ModuleForm> find_module_form(const LeafGroup& group) {
  const auto entry = form_functions().find(group.type);
  std::optional<ModuleForm> form = entry != form_functions().end() ? entry->second(group) : stateless_form(group);
  if (!form) return std::nullopt;
  std::vector<std::string> made = form->tensors;
  std::vector<std::string> registered = group.own_names();
  std::sort(made.begin(), made.end());
  std::sort(registered.begin(), registered.end());
  if (made != registered || !inputs_are(group, *form) || !outputs_are(group, *form)) return std::nullopt;
  return form;
}

}  // namespace tinyml::codegen
