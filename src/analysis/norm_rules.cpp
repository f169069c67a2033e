#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// Weight, bias and statistics of one entry for each channel take the labels of dimension 1.
void propagate_channel_norm(Propagation& p, const Node& node, ValueId output) {
  const ValueId input = operand(node, 0);
  std::vector<Operand> operands{aligned(p, input)};
  const int64_t channel = p.rank(input) > 1 ? 1 : 0;
  bool affine = false;
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
    const ValueId value = optional_operand(node, name);
    if (value == kNoValue) continue;
    if (std::string_view(name) == "running_var") p.set_maskable(value, false);
    affine = affine || std::string_view(name) == "weight";
    operands.push_back({value, {channel}});
  }
  Blocks result = p.join(operands, p.sizes(output), affine ? ZeroRule::kAny : ZeroRule::kFirst);
  for (Block& block : result) {
    if (block.dims.front() != channel) block.zero = false;  // The bias is added to every other index alike.
  }
  p.set(output, std::move(result));
}

void propagate_batch_norm(Propagation& p, const Node& node) { propagate_channel_norm(p, node, node.outputs[0]); }

void propagate_instance_norm(Propagation& p, const Node& node) {
  const char* why = "instance normalisation takes its statistics over it";
  for (int64_t dim = p.rank(operand(node)) - 1; dim > 1; --dim) p.fix(operand(node), dim, why);
  propagate_channel_norm(p, node, node.outputs[0]);
}

/// v / ||v|| * g, with one norm for each index of `dim`: there a removed index is zero through g alone (v must not
/// vanish, it is divided by its norm), elsewhere through v, whose zeros add nothing to the norm.
void propagate_weight_norm(Propagation& p, const Node& node) {
  const ValueId v = operand(node, 0), g = operand(node, 1), output = node.outputs[0];
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(v));
  p.set_maskable(v, dim, false);
  Blocks result = p.join({aligned(p, v), aligned(p, g)}, p.sizes(output), ZeroRule::kAny);
  for (Block& block : result) {
    if (block.dims.size() > 1) p.pin(block.labels, "a weight's norm runs over it");
  }
  std::erase_if(result, [](const Block& block) { return block.dims.size() > 1; });
  for (Block& block : result) {
    if (!block.zero) p.pin(block.labels, "a weight's norm runs over what would not have been zero");
  }
  p.set(output, std::move(result));
}

/// Groups are normalised together, so they go as a whole.
void propagate_group_norm(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t groups = node.arg("num_groups").as_int();
  const int64_t channels = p.sizes(input)[1];
  const char* why = "group normalisation takes its statistics over it";
  for (int64_t dim = p.rank(input) - 1; dim > 1; --dim) p.fix(input, dim, why);
  if (groups == 1) {
    p.fix(input, 1, why);
  } else if (const LabelList labels = p.isolate(input, 1); labels != nullptr && groups < channels) {
    p.unite_runs(labels, channels / groups);
  }
  propagate_channel_norm(p, node, output);
}

/// Statistics over the last dimensions: nothing can be cut there without changing them.
void propagate_layer_norm(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const auto normalized = static_cast<int64_t>(node.arg("normalized_shape").as_list().size());
  const char* why = "layer normalisation takes its statistics over it, which removing channels would change";
  for (int64_t i = 1; i <= normalized; ++i) p.fix(input, p.rank(input) - i, why);
  for (const char* name : {"weight", "bias"}) {
    if (const ValueId value = optional_operand(node, name); value != kNoValue) p.fix_all(value, why);
  }
  p.copy(input, output, false);
}

}  // namespace

void add_norm_rules(Rules& rules) {
  add_rules(rules, {"aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default"},
            propagate_batch_norm);
  add_rules(rules, {"aten.instance_norm.default"}, propagate_instance_norm);
  add_rules(rules, {"aten._weight_norm.default"}, propagate_weight_norm);
  add_rules(rules, {"aten.group_norm.default"}, propagate_group_norm);
  add_rules(rules,
            {"aten.layer_norm.default", "aten.native_layer_norm.default", "aten.rms_norm.default",
             "aten._fused_rms_norm.default"},
            propagate_layer_norm);
}

}  // namespace tinyml::analysis
