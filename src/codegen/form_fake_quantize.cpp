#include <algorithm>
#include <array>

#include "codegen/module_form.h"
#include "graph/node_notes.h"

namespace tinyml::codegen {
namespace {

constexpr std::array<std::string_view, 9> kTensors = {"observer_enabled", "fake_quant_enabled", "scale",
                                                      "zero_point",       "running_min",        "running_max",
                                                      "histogram",        "channel_min",        "channel_max"};

/// What is registered, as long as the class knows it; the statistics may be absent from a graph.
std::optional<std::vector<std::string>> known_tensors(const LeafGroup& group) {
  const std::vector<std::string> names = group.own_names();
  const bool known = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return std::find(kTensors.begin(), kTensors.end(), name) != kTensors.end();
  });
  return known ? std::optional(names) : std::nullopt;
}

void add_range(CallText& call, const Node& node, const char* lowest) {
  call.arguments.push_back(
      {"quant_min", argument_text(node.arg("quant_min"), {}), ArgumentStyle::kOptionalPositional, lowest});
  call.arguments.push_back(
      {"quant_max", argument_text(node.arg("quant_max"), {}), ArgumentStyle::kOptionalPositional, "127"});
}

std::string setting(const Node& node, const std::string& name, const std::string& otherwise) {
  const std::string* found = note_of(node, "tinyml." + name);
  return found == nullptr ? otherwise : *found;
}

bool owns_scale(const LeafGroup& group, const Node& node) {
  return group.own("scale") != nullptr && group.own("zero_point") != nullptr &&
         group.is_own_or_none(node.arg("scale"), "scale") && group.is_own_or_none(node.arg("zero_point"), "zero_point");
}

void add_fixed(CallText& call, const Node& node) {
  call.keyword(
      "fixed",
      "(" + float_literal(node.arg("scale").as_double()) + ", " + std::to_string(node.arg("zero_point").as_int()) + ")",
      "None");
}

/// An activation's, with settings of its observer from the node's notes or, in a capture of a training step, its
/// arguments.
bool activation_form(const LeafGroup& group, const Node& node, ModuleForm& form) {
  CallText& call = form.constructor;
  add_range(call, node, "-128");
  if (node.op == "aten.fake_quantize_per_tensor_affine.default") {
    add_fixed(call, node);
    return true;
  }
  if (!owns_scale(group, node)) return false;
  const bool training = node.op == "aten.fused_moving_avg_obs_fake_quant.default";
  const std::string observer = setting(node, "observer", group.own("histogram") != nullptr ? "mse" : "moving_average");
  std::string momentum = setting(node, "momentum", "0.01");
  if (training) momentum = float_literal(node.arg("averaging_const").as_double());
  call.keyword("symmetric", setting(node, "symmetric", "false") == "true" ? "True" : "False", "False");
  call.keyword("observer", string_literal(observer), "\"moving_average\"");
  call.keyword("momentum", momentum, "0.01");
  call.keyword("percentile", setting(node, "percentile", "99.99"), "99.99");
  call.keyword("mask_margin", setting(node, "mask_margin", "0"), "0");
  return true;
}

bool weight_form(const LeafGroup& group, const Node& node, ModuleForm& form) {
  if (!owns_scale(group, node)) return false;
  const bool per_channel = node.has_arg("axis");
  CallText& call = form.constructor;
  call.positional("channels", per_channel ? std::to_string(group.own("scale")->data.numel()) : "None");
  call.keyword("axis", per_channel ? std::to_string(node.arg("axis").as_int()) : "0", "0");
  call.keyword("quant_min", std::to_string(node.arg("quant_min").as_int()), "-127");
  call.keyword("quant_max", std::to_string(node.arg("quant_max").as_int()), "127");
  call.keyword("channel_ranges", bool_literal(group.own("channel_min") != nullptr), "False");
  return true;
}

}  // namespace

std::optional<ModuleForm> fake_quantize_form(const LeafGroup& group) {
  // A weight whose channels have ranges of their own is clamped to them first: mul, reshape, maximum and minimum.
  const size_t before = group.own("channel_min") != nullptr ? 6 : 0;
  if (group.size() != before + 1 || !group.mutations.empty()) return std::nullopt;
  const Node& node = group.node(before);
  const bool known = is_fake_quantize(node) || node.op == "aten.fused_moving_avg_obs_fake_quant.default";
  const auto tensors = known_tensors(group);
  if (!known || !tensors) return std::nullopt;
  const std::string name = class_name_of(group.type);
  ModuleForm form;
  form.constructor.callee = "qnn." + name;
  form.tensors = *tensors;
  ValueId input = node.arg("self").as_value();
  if (before > 0) {
    if (group.node(2).op != "aten.maximum.default" || group.node(5).op != "aten.minimum.default") return std::nullopt;
    input = group.node(2).arg("self").as_value();
  }
  form.inputs = {input};
  form.outputs = {node.outputs.at(0)};
  if (name == "FakeQuantize") return activation_form(group, node, form) ? std::optional(form) : std::nullopt;
  if (name == "WeightFakeQuantize") return weight_form(group, node, form) ? std::optional(form) : std::nullopt;
  add_range(form.constructor, node, "-128");
  if (node.op == "aten.fake_quantize_per_tensor_affine.default") {
    add_fixed(form.constructor, node);
  } else {
    form.inputs.push_back(node.arg("scale").as_value());
    form.inputs.push_back(node.arg("zero_point").as_value());
  }
  return form;
}

}  // namespace tinyml::codegen
