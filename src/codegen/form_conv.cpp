#include "codegen/module_form.h"

namespace tinyml::codegen {
namespace {

bool all_zero(const Argument& argument) {
  if (!argument.is_int_list()) return false;
  for (const int64_t value : argument.as_ints()) {
    if (value != 0) return false;
  }
  return true;
}

/// Padding of each spatial dimension for a pad node's last-dimension-first pairs; nullopt when the two sides differ.
std::optional<std::vector<int64_t>> symmetric_padding(const std::vector<int64_t>& pad) {
  std::vector<int64_t> padding;
  for (size_t i = pad.size(); i >= 2; i -= 2) {
    if (pad[i - 1] != pad[i - 2]) return std::nullopt;
    padding.push_back(pad[i - 1]);
  }
  return padding;
}

}  // namespace

CallText conv_constructor(const LeafGroup& group, const Node& conv, const std::string& callee) {
  const bool transposed = conv.op.starts_with("aten.conv_transpose");
  const std::vector<int64_t>& shape = group.own("weight")->data.shape();
  const int64_t groups = conv.arg("groups").as_int();
  const Argument& padding = conv.arg("padding");
  CallText call;
  call.callee = callee;
  call.positional("in_channels", std::to_string(transposed ? shape.at(0) : shape.at(1) * groups));
  call.positional("out_channels", std::to_string(transposed ? shape.at(1) * groups : shape.at(0)));
  call.positional("kernel_size", collapse({shape.begin() + 2, shape.end()}));
  call.keyword("stride", collapse(conv.arg("stride").as_ints()), "1");
  call.keyword("padding", padding.is_string() ? string_literal(padding.as_string()) : collapse(padding.as_ints()), "0");
  if (transposed) call.keyword("output_padding", collapse(conv.arg("output_padding").as_ints()), "0");
  call.keyword("dilation", collapse(conv.arg("dilation").as_ints()), "1");
  call.keyword("groups", std::to_string(groups), "1");
  call.keyword("bias", bool_literal(group.own("bias") != nullptr), "True");
  return call;
}

std::optional<ModuleForm> conv_form(const LeafGroup& group) {
  if (group.size() == 0 || group.size() > 2 || !group.mutations.empty()) return std::nullopt;
  const Node& conv = group.node(group.size() - 1);
  const bool transposed = conv.op.starts_with("aten.conv_transpose");
  if (!transposed && !conv.op.starts_with("aten.conv")) return std::nullopt;
  if (transposed != (group.type.find("ConvTranspose") != std::string::npos)) return std::nullopt;
  const Binding* weight = group.own("weight");
  if (weight == nullptr || !group.is_own_or_none(conv.arg("weight"), "weight") ||
      !group.is_own_or_none(conv.arg("bias"), "bias")) {
    return std::nullopt;
  }
  const size_t spatial = weight->data.shape().size() - 2;
  ModuleForm form;
  form.constructor = conv_constructor(group, conv, "nn." + class_name_of(group.type));
  form.inputs = {conv.arg("input").as_value()};
  std::string padding_mode = "zeros";
  if (group.size() == 2) {
    const Node& pad = group.node(0);
    if (pad.op != "aten.pad.default" || pad.output() != form.inputs[0] || !pad.arg("pad").is_int_list())
      return std::nullopt;
    padding_mode = pad.arg("mode").as_string();
    const auto symmetric = symmetric_padding(pad.arg("pad").as_ints());
    if (padding_mode == "constant" || !symmetric || symmetric->size() != spatial || !all_zero(conv.arg("padding"))) {
      return std::nullopt;
    }
    for (CallArgument& argument : form.constructor.arguments) {
      if (argument.name == "padding") argument.value = collapse(*symmetric);
    }
    form.inputs = {pad.arg("self").as_value()};
  }

  form.constructor.keyword("padding_mode", string_literal(padding_mode), "\"zeros\"");
  add_dtype(form.constructor, weight->data);
  form.tensors = {"weight"};
  if (group.own("bias") != nullptr) form.tensors.push_back("bias");
  form.outputs = {conv.output()};
  return form;
}

}  // namespace tinyml::codegen
