#include "codegen/interpolate.h"
#include "codegen/module_form.h"

namespace tinyml::codegen {

std::optional<CallText> interpolate_call(const Node& node, const std::string& callee, const ValueText& value_text) {
  std::string mode;
  if (node.op == "aten.upsample_nearest1d.vec" || node.op == "aten.upsample_nearest2d.vec" ||
      node.op == "aten.upsample_nearest3d.vec") {
    mode = "nearest";
  } else if (node.op == "aten._upsample_nearest_exact1d.vec" || node.op == "aten._upsample_nearest_exact2d.vec" ||
             node.op == "aten._upsample_nearest_exact3d.vec") {
    mode = "nearest-exact";
  } else if (node.op == "aten.upsample_linear1d.vec") {
    mode = "linear";
  } else if (node.op == "aten.upsample_bilinear2d.vec") {
    mode = "bilinear";
  } else if (node.op == "aten.upsample_trilinear3d.vec") {
    mode = "trilinear";
  } else if (node.op == "aten.upsample_bicubic2d.vec") {
    mode = "bicubic";
  } else {
    return std::nullopt;
  }
  const Argument& size = node.arg("output_size");
  const Argument& factors = node.arg("scale_factors");
  CallText call;
  call.callee = callee;
  if (size.is_int_list() && !size.is_none()) {
    call.keyword("size", collapse(size.as_ints()), "None");
  } else if (!size.is_none()) {
    call.keyword("size", argument_text(size, value_text), "None");
  }
  if (factors.is_list()) {
    const Argument::List& list = factors.as_list();
    bool equal = !list.empty();
    for (const Argument& factor : list) equal = equal && factor == list[0];
    call.keyword("scale_factor", argument_text(equal ? list[0] : factors, value_text), "None");
  }
  call.keyword("mode", string_literal(mode), "\"nearest\"");
  if (node.has_arg("align_corners"))
    call.keyword("align_corners", argument_text(node.arg("align_corners"), value_text), "False");
  return call;
}

std::optional<ModuleForm> upsample_form(const LeafGroup& group) {
  if (group.size() != 1 || !group.mutations.empty()) return std::nullopt;
  const Node& node = group.node(0);
  bool reads_values = false;
  const ValueText no_values = [&](ValueId) {
    reads_values = true;
    return std::string();
  };
  std::optional<CallText> call = interpolate_call(node, "nn.Upsample", no_values);
  if (!call || reads_values) return std::nullopt;
  ModuleForm form;
  form.constructor = std::move(*call);
  form.inputs = {node.arg("input").as_value()};
  form.outputs = {node.output()};
  return form;
}

}  // namespace tinyml::codegen
