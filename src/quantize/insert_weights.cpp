#include <fmt/format.h>

#include <map>

#include "quantize/insert_fake_quant.h"
#include "quantize/module_names.h"
#include "quantize/rewrite.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

constexpr const char* kPerChannel = "aten.fake_quantize_per_channel_affine.default";
constexpr const char* kPerTensor = "aten.fake_quantize_per_tensor_affine.tensor_qparams";

/// Layer class of torch.nn -> the class whose weight is fake-quantized.
const std::map<std::string, std::string, std::less<>>& quantized_classes() {
  static const std::map<std::string, std::string, std::less<>> classes = {
      {"torch.nn.modules.conv.Conv1d", "tinyml.nn.quant_layers.QuantConv1d"},
      {"torch.nn.modules.conv.Conv2d", "tinyml.nn.quant_layers.QuantConv2d"},
      {"torch.nn.modules.conv.Conv3d", "tinyml.nn.quant_layers.QuantConv3d"},
      {"torch.nn.modules.conv.ConvTranspose1d", "tinyml.nn.quant_layers.QuantConvTranspose1d"},
      {"torch.nn.modules.conv.ConvTranspose2d", "tinyml.nn.quant_layers.QuantConvTranspose2d"},
      {"torch.nn.modules.conv.ConvTranspose3d", "tinyml.nn.quant_layers.QuantConvTranspose3d"},
      {"torch.nn.modules.linear.Linear", "tinyml.nn.quant_layers.QuantLinear"},
      {"torch.nn.modules.sparse.Embedding", "tinyml.nn.quant_layers.QuantEmbedding"},
  };
  return classes;
}

class WeightInserter {
 public:
  explicit WeightInserter(Graph& graph) : graph_(graph), names_(graph) {
    for (const NodeId id : graph_.nodes()) {
      if (const auto& stack = graph_.node(id).metadata.module_stack; !stack.empty()) ++nodes_in_[stack.back().key];
    }
  }

  void insert(const WeightSite& site) {
    const ValueId weight = graph_.node(site.node).args[site.arg].value.as_value();
    const std::vector<ModuleCall> stack = claim_module(site, weight);
    const bool named = note_of(graph_.node(site.node), kWeightQuantizer) != nullptr;
    const std::string call = named ? graph_.node(site.node).metadata.module_stack.back().key : "";
    if (const auto known = shared_.find({weight, call}); named && known != shared_.end()) {
      graph_.set_arg(site.node, site.arg, known->second);
      return;
    }
    const Buffers& buffers = buffers_of(site, weight, stack.back().path);
    const ValueId source = clamped(site, weight, buffers, stack);
    std::vector<NamedArgument> args = {{"self", source}, {"scale", buffers.scale}, {"zero_point", buffers.zero_point}};
    if (site.axis >= 0) args.push_back({"axis", site.axis});
    args.push_back({"quant_min", site.scheme.quant_min});
    args.push_back({"quant_max", site.scheme.quant_max});
    const char* op = site.axis >= 0 ? kPerChannel : kPerTensor;
    TensorType type = graph_.tensor_type(weight);
    type.requires_grad = false;
    const ValueId quantized = graph_.add_operator(op, make_args(op, std::move(args)), type, site.node, site.node);
    Metadata& metadata = graph_.metadata(graph_.value(quantized).producer);
    metadata.module_stack = stack;
    metadata.other.clear();
    graph_.set_arg(site.node, site.arg, quantized);
    if (named) shared_[{weight, call}] = quantized;
  }

 private:
  struct Buffers {
    ValueId scale = kNoValue;
    ValueId zero_point = kNoValue;
    ValueId channel_min = kNoValue, channel_max = kNoValue;  ///< Where each channel has a range of its own.
  };

  /// The stack of the FakeQuant; the layer's module becomes one that has it, if it can.
  std::vector<ModuleCall> claim_module(const WeightSite& site, ValueId weight) {
    std::vector<ModuleCall>& stack = graph_.metadata(site.node).module_stack;
    const Node& node = graph_.node(site.node);
    if (const std::string* name = note_of(node, kWeightQuantizer)) {
      std::vector<ModuleCall> inside = ModuleNames::call_inside(stack, *name, kWeightFakeQuantize);
      inside.back().key += fmt::format("@{}", ++named_calls_);
      return inside;
    }
    if (!stack.empty() && node.args[site.arg].name == "weight") {
      ModuleCall& call = stack.back();
      const auto found = quantized_classes().find(call.type);
      const Binding* binding = graph_.binding_of(weight);
      const Binding* own = graph_.find_binding(call.path + ".weight");
      if (found != quantized_classes().end() && binding != nullptr && own != nullptr && are_tied(*own, *binding) &&
          nodes_in_.at(call.key) == 1) {
        call.type = found->second;
        return ModuleNames::call_inside(stack, "weight_fq", kWeightFakeQuantize);
      }
      if (call.type.starts_with("tinyml.nn.qat_conv.")) {
        return ModuleNames::call_inside(stack, "weight_fq", kWeightFakeQuantize);
      }
    }
    const Binding* binding = graph_.binding_of(weight);
    const std::string name = binding != nullptr ? std::string(last_component(binding->fqn)) : node.args[site.arg].name;
    return names_.call_after(node, "fq_" + name + "_", kWeightFakeQuantize);
  }

  /// The weight clamped to the range of each channel, where there is one: the FakeQuant's is that of all.
  ValueId clamped(const WeightSite& site, ValueId weight, const Buffers& buffers,
                  const std::vector<ModuleCall>& stack) {
    if (site.axis < 0 || site.scheme.channel_ranges.empty()) return weight;
    const TensorType type = graph_.tensor_type(weight);
    std::vector<int64_t> shape(type.shape.size(), 1);
    shape[static_cast<size_t>(site.axis)] = static_cast<int64_t>(site.scheme.channel_ranges.size());
    const auto emit = [&](const char* op, std::vector<NamedArgument> args, TensorType result) {
      result.requires_grad = false;
      const ValueId value =
          graph_.add_operator(op, make_args(op, std::move(args)), std::move(result), site.node, site.node);
      graph_.metadata(graph_.value(value).producer).module_stack = stack;
      graph_.metadata(graph_.value(value).producer).other.clear();
      return value;
    };
    for (const bool upper : {false, true}) {
      const ValueId limit = emit(
          "aten.mul.Tensor", {{"self", buffers.scale}, {"other", upper ? buffers.channel_max : buffers.channel_min}},
          graph_.tensor_type(buffers.scale));
      const ValueId row = emit("aten.reshape.default", {{"self", limit}, {"shape", Argument::ints(shape)}},
                               TensorType::of(ScalarType::kFloat32, shape));
      weight = emit(upper ? "aten.minimum.default" : "aten.maximum.default", {{"self", weight}, {"other", row}}, type);
    }
    return weight;
  }

  const Buffers& buffers_of(const WeightSite& site, ValueId weight, const std::string& path) {
    const auto [entry, inserted] = by_path_.try_emplace(path);
    if (inserted) {
      const std::vector<float> scales = choose_weight_scales(constant_value(graph_, weight), site.axis, site.scheme);
      const auto count = static_cast<int64_t>(scales.size());
      entry->second.scale = graph_.add_binding(BindingKind::kBuffer, path + ".scale", Tensor::from(scales, {count}));
      entry->second.zero_point =
          graph_.add_binding(BindingKind::kBuffer, path + ".zero_point", Tensor(ScalarType::kInt32, {count}));
      if (site.axis >= 0 && !site.scheme.channel_ranges.empty()) {
        std::vector<float> low;
        std::vector<float> high;
        for (const IntegerRange& range : site.scheme.channel_ranges) {
          low.push_back(static_cast<float>(range.low));
          high.push_back(static_cast<float>(range.high));
        }
        entry->second.channel_min =
            graph_.add_binding(BindingKind::kBuffer, path + ".channel_min", Tensor::from(low, {count}));
        entry->second.channel_max =
            graph_.add_binding(BindingKind::kBuffer, path + ".channel_max", Tensor::from(high, {count}));
      }
    }
    return entry->second;
  }

  Graph& graph_;
  ModuleNames names_;
  std::map<std::string, int> nodes_in_;  ///< Key of a module call -> nodes whose innermost call it is.
  std::map<std::string, Buffers> by_path_;
  int named_calls_ = 0;
  std::map<std::pair<ValueId, std::string>, ValueId> shared_;  ///< Weight, call of a module -> its rounded form.
};

}  // namespace

void insert_weights(Graph& graph, const std::vector<WeightSite>& sites) {
  WeightInserter inserter(graph);
  for (const WeightSite& site : sites) inserter.insert(site);
}

}  // namespace tinyml::quantization
