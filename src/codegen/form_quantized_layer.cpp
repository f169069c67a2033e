#include <algorithm>
#include <set>
#include <string_view>

#include "codegen/module_form.h"
#include "graph/node_notes.h"

namespace tinyml::codegen {
namespace {

constexpr std::string_view kLinear = "aten.linear.default", kEmbedding = "aten.embedding.default";

bool is_layer(const std::string& op) { return op.starts_with("aten.conv") || op == kLinear || op == kEmbedding; }

CallText layer_constructor(const LeafGroup& group, const Node& layer, const std::string& callee) {
  if (layer.op == kLinear) return linear_constructor(group, callee);
  if (layer.op == kEmbedding) return embedding_constructor(group, layer, callee);
  return conv_constructor(group, layer, callee);
}

/// The only node for which `test` holds, or nullptr.
template <typename Test>
const Node* find_single(const LeafGroup& group, Test test) {
  const Node* found = nullptr;
  for (size_t i = 0; i < group.size(); ++i) {
    if (!test(group.node(i))) continue;
    if (found != nullptr) return nullptr;
    found = &group.node(i);
  }
  return found;
}

/// Whether the nodes besides the layer and the weight's FakeQuant are arithmetic that folds a batch norm.
bool folds_only(const LeafGroup& group) {
  static const std::set<std::string, std::less<>> folding = {
      "aten.add.Tensor",    "aten.sub.Tensor",   "aten.mul.Tensor",      "aten.neg.default",     "aten.reshape.default",
      "aten.rsqrt.default", "aten.view.default", "aten.maximum.default", "aten.minimum.default",
  };
  for (size_t i = 0; i < group.size(); ++i) {
    const Node& node = group.node(i);
    if (!is_layer(node.op) && !is_fake_quantize(node) && folding.count(node.op) == 0) return false;
  }
  return true;
}

void add_batch_norm(const LeafGroup& group, const Node& layer, const Node& shifted, CallText& call) {
  std::string momentum = "0.1";
  if (const std::string* noted = note_of(layer, "tinyml.bn_momentum")) {
    const double value = std::stod(*noted);
    momentum = value == 0 ? "None" : float_literal(value);
  }
  call.keyword("eps", float_literal(shifted.arg("other").as_double()), "1e-05");
  call.keyword("momentum", momentum, "0.1");
  call.keyword("affine", bool_literal(group.own("bn.weight") != nullptr), "True");
  const std::string* name = note_of(layer, "tinyml.bn_name");
  call.keyword("bn_name", name == nullptr ? "None" : string_literal(*name), "None");
}

/// Tensors the class makes: all of its weight's and batch norm's, of which a graph may lack those no node reads.
bool knows_tensors(const std::vector<std::string>& names) {
  static const std::set<std::string, std::less<>> known = {
      "weight",
      "bias",
      "bn.weight",
      "bn.bias",
      "bn.running_mean",
      "bn.running_var",
      "weight_fq.scale",
      "weight_fq.zero_point",
      "weight_fq.channel_min",
      "weight_fq.channel_max",
      "weight_fq.observer_enabled",
      "weight_fq.fake_quant_enabled",
      "bn.num_batches_tracked",
  };
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return known.count(name) > 0; });
}

}  // namespace

std::optional<ModuleForm> quantized_layer_form(const LeafGroup& group) {
  const bool folded = group.type.starts_with("tinyml.nn.qat_conv.");
  const Node* layer = find_single(group, [](const Node& node) { return is_layer(node.op); });
  const Node* fake = find_single(group, is_fake_quantize);
  const size_t plain = fake == nullptr ? 1 : 2;
  const bool clamped = fake != nullptr && group.own("weight_fq.channel_min") != nullptr;
  if (layer == nullptr || group.own("weight") == nullptr || !group.mutations.empty()) return std::nullopt;
  if (!knows_tensors(group.own_names()) || !folds_only(group) || (!folded && group.size() != plain + (clamped ? 6 : 0)))
    return std::nullopt;
  if (fake == nullptr && group.own("weight_fq.scale") != nullptr) return std::nullopt;

  const std::string callee = "qnn." + class_name_of(group.type);
  ModuleForm form;
  form.constructor = layer_constructor(group, *layer, callee);
  if (folded) {
    const Node* shifted = find_single(group, [&](const Node& node) {
      return node.op == "aten.add.Tensor" && group.own("bn.running_var") != nullptr &&
             group.is_own_or_none(node.arg("self"), "bn.running_var") && node.arg("other").is_number();
    });
    if (shifted == nullptr) return std::nullopt;
    add_batch_norm(group, *layer, *shifted, form.constructor);
  }
  if (fake == nullptr) {
    form.constructor.keyword("weight_range", "None", "(-127, 127)");
  } else {
    if (!group.is_own_or_none(fake->arg("scale"), "weight_fq.scale")) return std::nullopt;
    const std::string range = "(" + std::to_string(fake->arg("quant_min").as_int()) + ", " +
                              std::to_string(fake->arg("quant_max").as_int()) + ")";
    form.constructor.keyword("weight_range", range, "(-127, 127)");
    form.constructor.keyword("per_channel", bool_literal(fake->has_arg("axis")), "True");
    form.constructor.keyword("channel_ranges", bool_literal(clamped), "False");
  }
  form.tensors = group.own_names();
  form.inputs = {layer->arg(layer->op == kEmbedding ? "indices" : "input").as_value()};
  form.outputs = {layer->output()};
  return form;
}

}  // namespace tinyml::codegen
