#include "codegen/module_form.h"

namespace tinyml::codegen {
namespace {

/// The node of that operator, when everything else in the group only counts batches (`num_batches_tracked += 1`).
const Node* find_norm_node(const LeafGroup& group, std::string_view op) {
  const Node* norm = nullptr;
  for (size_t i = 0; i < group.size(); ++i) {
    const Node& node = group.node(i);
    if (node.op == op && norm == nullptr) {
      norm = &node;
    } else if (!node.op.starts_with("aten.add.") || !group.is_own_or_none(node.args[0].value, "num_batches_tracked")) {
      return nullptr;
    }
  }
  for (const Item& mutation : group.mutations) {
    if (!group.is_own_or_none(Argument(mutation.target), "num_batches_tracked")) return nullptr;
  }
  return norm;
}

void add_present(const LeafGroup& group, ModuleForm& form, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (group.own(name) != nullptr) form.tensors.emplace_back(name);
  }
}

const Tensor* first_tensor(const LeafGroup& group, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const Binding* binding = group.own(name)) return &binding->data;
  }
  return nullptr;
}

/// Batch and instance norm: the same constructor, affine and track_running_stats with different defaults.
std::optional<ModuleForm> running_norm_form(const LeafGroup& group, const Node& node, const std::string& defaults) {
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
    if (!group.is_own_or_none(node.arg(name), name)) return std::nullopt;
  }
  const Tensor* tensor = first_tensor(group, {"running_mean", "weight"});
  const std::vector<int64_t> input = group.sizes(node.arg("input"));
  const int64_t features = tensor != nullptr ? tensor->numel() : input.at(input.size() > 1 ? 1 : 0);
  // The module passes 0 for momentum=None, which asks for the cumulative average.
  const double momentum = node.arg("momentum").as_double();
  ModuleForm form;
  form.constructor.callee = "nn." + class_name_of(group.type);
  form.constructor.positional("num_features", std::to_string(features));
  form.constructor.keyword("eps", float_literal(node.arg("eps").as_double()), "1e-05");
  form.constructor.keyword("momentum", momentum == 0 ? "None" : float_literal(momentum), "0.1");
  form.constructor.keyword("affine", bool_literal(group.own("weight") != nullptr), defaults);
  form.constructor.keyword("track_running_stats", bool_literal(group.own("running_mean") != nullptr), defaults);
  if (tensor != nullptr) add_dtype(form.constructor, *tensor);
  add_present(group, form, {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  form.inputs = {node.arg("input").as_value()};
  form.outputs = {node.output()};
  return form;
}

}  // namespace

std::optional<ModuleForm> batch_norm_form(const LeafGroup& group) {
  const Node* node = find_norm_node(group, "aten.batch_norm.default");
  return node == nullptr ? std::nullopt : running_norm_form(group, *node, "True");
}

std::optional<ModuleForm> instance_norm_form(const LeafGroup& group) {
  const Node* node = find_norm_node(group, "aten.instance_norm.default");
  if (node == nullptr || group.sizes(node->arg("input")).size() < 3) return std::nullopt;
  return running_norm_form(group, *node, "False");
}

std::optional<ModuleForm> group_norm_form(const LeafGroup& group) {
  if (!group.is_single("aten.group_norm.default")) return std::nullopt;
  const Node& node = group.node(0);
  if (!group.is_own_or_none(node.arg("weight"), "weight") || !group.is_own_or_none(node.arg("bias"), "bias")) {
    return std::nullopt;
  }
  ModuleForm form;
  form.constructor.callee = "nn.GroupNorm";
  form.constructor.positional("num_groups", std::to_string(node.arg("num_groups").as_int()));
  form.constructor.positional("num_channels", std::to_string(group.sizes(node.arg("input")).at(1)));
  form.constructor.keyword("eps", float_literal(node.arg("eps").as_double()), "1e-05");
  form.constructor.keyword("affine", bool_literal(group.own("weight") != nullptr), "True");
  if (const Tensor* tensor = first_tensor(group, {"weight"})) add_dtype(form.constructor, *tensor);
  add_present(group, form, {"weight", "bias"});
  form.inputs = {node.arg("input").as_value()};
  form.outputs = {node.output()};
  return form;
}

std::optional<ModuleForm> layer_norm_form(const LeafGroup& group) {
  const bool rms = group.is_single("aten.rms_norm.default");
  if (!rms && !group.is_single("aten.layer_norm.default")) return std::nullopt;
  const Node& node = group.node(0);
  if (!node.arg("normalized_shape").is_int_list() || !group.is_own_or_none(node.arg("weight"), "weight"))
    return std::nullopt;
  if (!rms && !group.is_own_or_none(node.arg("bias"), "bias")) return std::nullopt;
  const std::vector<int64_t> shape = node.arg("normalized_shape").as_ints();
  const bool affine = group.own("weight") != nullptr;
  ModuleForm form;
  form.constructor.callee = rms ? "nn.RMSNorm" : "nn.LayerNorm";
  form.constructor.positional("normalized_shape", shape.size() == 1 ? std::to_string(shape[0])
                                                                    : argument_text(node.arg("normalized_shape"), {}));
  const Argument& eps = node.arg("eps");
  form.constructor.keyword("eps", eps.is_none() ? "None" : float_literal(eps.as_double()), rms ? "None" : "1e-05");
  form.constructor.keyword("elementwise_affine", bool_literal(affine), "True");
  if (!rms) form.constructor.keyword("bias", bool_literal(!affine || group.own("bias") != nullptr), "True");
  if (const Tensor* tensor = first_tensor(group, {"weight"})) add_dtype(form.constructor, *tensor);
  add_present(group, form, {"weight", "bias"});
  form.inputs = {node.arg("input").as_value()};
  form.outputs = {node.output()};
  return form;
}

}  // namespace tinyml::codegen
