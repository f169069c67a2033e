#include "codegen/module_form.h"

namespace tinyml::codegen {

CallText linear_constructor(const LeafGroup& group, const std::string& callee) {
  const Tensor& weight = group.own("weight")->data;
  CallText call;
  call.callee = callee;
  call.positional("in_features", std::to_string(weight.size(1)));
  call.positional("out_features", std::to_string(weight.size(0)));
  call.keyword("bias", bool_literal(group.own("bias") != nullptr), "True");
  return call;
}

std::optional<ModuleForm> linear_form(const LeafGroup& group) {
  if (!group.is_single("aten.linear.default")) return std::nullopt;
  const Node& node = group.node(0);
  const Binding* weight = group.own("weight");
  const Binding* bias = group.own("bias");
  if (weight == nullptr || !group.is_own_or_none(node.arg("weight"), "weight") ||
      !group.is_own_or_none(node.arg("bias"), "bias")) {
    return std::nullopt;
  }
  ModuleForm form;
  form.constructor = linear_constructor(group, "nn.Linear");
  add_dtype(form.constructor, weight->data);
  form.tensors = {"weight"};
  if (bias != nullptr) form.tensors.push_back("bias");
  form.inputs = {node.arg("input").as_value()};
  form.outputs = {node.output()};
  return form;
}

CallText embedding_constructor(const LeafGroup& group, const Node& lookup, const std::string& callee) {
  const Tensor& weight = group.own("weight")->data;
  const int64_t padding = lookup.arg("padding_idx").as_int();
  CallText call;
  call.callee = callee;
  call.positional("num_embeddings", std::to_string(weight.size(0)));
  call.positional("embedding_dim", std::to_string(weight.size(1)));
  call.keyword("padding_idx", padding < 0 ? "None" : std::to_string(padding), "None");
  call.keyword("scale_grad_by_freq", bool_literal(lookup.arg("scale_grad_by_freq").as_bool()), "False");
  call.keyword("sparse", bool_literal(lookup.arg("sparse").as_bool()), "False");
  return call;
}

std::optional<ModuleForm> embedding_form(const LeafGroup& group) {
  if (!group.is_single("aten.embedding.default")) return std::nullopt;
  const Node& node = group.node(0);
  const Binding* weight = group.own("weight");
  if (weight == nullptr || !group.is_own_or_none(node.arg("weight"), "weight")) return std::nullopt;
  ModuleForm form;
  form.constructor = embedding_constructor(group, node, "nn.Embedding");
  add_dtype(form.constructor, weight->data);
  form.tensors = {"weight"};
  form.inputs = {node.arg("indices").as_value()};
  form.outputs = {node.output()};
  return form;
}

std::optional<ModuleForm> prelu_form(const LeafGroup& group) {
  if (!group.is_single("aten.prelu.default")) return std::nullopt;
  const Node& node = group.node(0);
  const Binding* weight = group.own("weight");
  if (weight == nullptr || !group.is_own_or_none(node.arg("weight"), "weight")) return std::nullopt;
  ModuleForm form;
  form.constructor.callee = "nn.PReLU";
  form.constructor.arguments.push_back(
      {"num_parameters", std::to_string(weight->data.numel()), ArgumentStyle::kOptionalPositional, "1"});
  add_dtype(form.constructor, weight->data);
  form.tensors = {"weight"};
  form.inputs = {node.arg("self").as_value()};
  form.outputs = {node.output()};
  return form;
}

}  // namespace tinyml::codegen
