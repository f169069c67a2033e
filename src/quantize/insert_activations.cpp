#include <fmt/format.h>

#include <map>

#include "quantize/insert_fake_quant.h"
#include "quantize/mask_margin.h"
#include "quantize/module_names.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

constexpr const char* kPerTensor = "aten.fake_quantize_per_tensor_affine.tensor_qparams";
constexpr const char* kFixed = "aten.fake_quantize_per_tensor_affine.default";

struct Buffers {
  ValueId scale = kNoValue;
  ValueId zero_point = kNoValue;
};

class ActivationInserter {
 public:
  explicit ActivationInserter(Graph& graph) : graph_(graph), names_(graph) {}

  void insert(const Site& site) {
    const NodeId producer = graph_.value(site.value).producer;
    const NodeId before = producer == kNoNode ? graph_.first_node() : graph_.next_node(producer);
    const TensorType type = graph_.tensor_type(site.value);
    const std::vector<ModuleCall> stack = stack_of(site, producer);
    const double margin = mask_margin(graph_, site.value);
    // Readers are moved before the FakeQuant exists, which must go on reading the value itself.
    const ValueId placeholder = graph_.add_value("fake_quantize", type);
    std::vector<std::vector<NamedArgument>> kept;
    for (const NodeId reader : site.float_readers) kept.push_back(graph_.node(reader).args);
    graph_.replace_all_uses(site.value, placeholder);
    for (size_t i = 0; i < kept.size(); ++i) graph_.set_args(site.float_readers[i], std::move(kept[i]));
    std::vector<NamedArgument> args = {{"self", site.value}};
    if (site.kind == Site::Kind::kFixed) {
      args.push_back({"scale", static_cast<double>(site.fixed.scale)});
      args.push_back({"zero_point", int64_t{site.fixed.zero_point}});
    } else {
      const Buffers& buffers =
          site.kind == Site::Kind::kObserved ? own_buffers(stack.back().path) : buffers_.at(site.source);
      if (site.kind == Site::Kind::kObserved) buffers_[site.value] = buffers;
      args.push_back({"scale", buffers.scale});
      args.push_back({"zero_point", buffers.zero_point});
    }
    args.push_back({"quant_min", site.scheme.quant_min});
    args.push_back({"quant_max", site.scheme.quant_max});
    Node node;
    node.op = site.kind == Site::Kind::kFixed ? kFixed : kPerTensor;
    node.args = make_args(node.op, std::move(args));
    node.outputs = {placeholder};
    if (producer != kNoNode) node.metadata.stack_trace = graph_.node(producer).metadata.stack_trace;
    node.metadata.module_stack = stack;
    rounded_[site.value] = placeholder;
    if (site.kind == Site::Kind::kObserved) note_settings(node.metadata, site.scheme, margin);
    graph_.add_node(std::move(node), before);
  }

  /// After the FakeQuant of the value, if it has one of its own (what is moved has not).
  void insert(const WidthSite& site) {
    const auto found = rounded_.find(site.value);
    const ValueId from = found == rounded_.end() ? site.value : found->second;
    const NodeId maker = graph_.value(from).producer;
    const NodeId producer = graph_.value(site.value).producer;
    const char* prefix = site.scheme.quant_max > 127 ? "fq_wide_" : "fq_narrow_";
    std::vector<ModuleCall> stack = producer == kNoNode
                                        ? names_.call_in_root(prefix + graph_.value(site.value).name, kFakeQuantize)
                                        : names_.call_after(graph_.node(producer), prefix, kFakeQuantize);
    const Buffers& buffers = own_buffers(stack.back().path);
    const ValueId to = graph_.add_value("fake_quantize", graph_.tensor_type(from));
    for (const NodeId reader : site.readers) replace_in(reader, from, to);
    Node node;
    node.op = kPerTensor;
    node.args = make_args(node.op, {{"self", from},
                                    {"scale", buffers.scale},
                                    {"zero_point", buffers.zero_point},
                                    {"quant_min", site.scheme.quant_min},
                                    {"quant_max", site.scheme.quant_max}});
    node.outputs = {to};
    if (producer != kNoNode) node.metadata.stack_trace = graph_.node(producer).metadata.stack_trace;
    node.metadata.module_stack = std::move(stack);
    note_settings(node.metadata, site.scheme, mask_margin(graph_, site.value));
    graph_.add_node(std::move(node), maker == kNoNode ? graph_.first_node() : graph_.next_node(maker));
  }

 private:
  void replace_in(NodeId reader, ValueId from, ValueId to) {
    std::vector<NamedArgument> args = graph_.node(reader).args;
    for (NamedArgument& arg : args) replace_in(arg.value, from, to);
    graph_.set_args(reader, std::move(args));
  }
  static void replace_in(Argument& argument, ValueId from, ValueId to) {
    if (argument.is_value() && argument.as_value() == from) argument = to;
    if (!argument.is_list()) return;
    for (Argument& item : std::get<Argument::List>(argument.data)) replace_in(item, from, to);
  }

  std::vector<ModuleCall> stack_of(const Site& site, NodeId producer) {
    if (!site.quantizer.empty()) {
      std::vector<ModuleCall> stack =
          ModuleNames::call_inside(graph_.node(producer).metadata.module_stack, site.quantizer, kFakeQuantize);
      stack.back().key += fmt::format("@{}", ++named_calls_);
      return stack;
    }
    const bool shares = site.source != kNoValue;
    const std::string_view type = shares ? kRequantize : kFakeQuantize;
    if (producer == kNoNode) return names_.call_in_root("fq_" + graph_.value(site.value).name, type);
    return names_.call_after(graph_.node(producer), shares ? "requant_" : "fq_", type);
  }

  const Buffers& own_buffers(const std::string& path) {
    const auto [entry, inserted] = by_path_.try_emplace(path);
    if (inserted) {
      entry->second.scale = graph_.add_binding(BindingKind::kBuffer, path + ".scale", Tensor::from<float>({1.0f}, {1}));
      entry->second.zero_point =
          graph_.add_binding(BindingKind::kBuffer, path + ".zero_point", Tensor::from<int32_t>({0}, {1}));
    }
    return entry->second;
  }

  static void note_settings(Metadata& metadata, const TensorScheme& scheme, double margin) {
    metadata.other["tinyml.observer"] = name_of(scheme.observer);
    metadata.other["tinyml.momentum"] = fmt::format("{}", scheme.momentum);
    metadata.other["tinyml.symmetric"] = scheme.symmetric ? "true" : "false";
    if (scheme.observer == Observer::kPercentile) {
      metadata.other["tinyml.percentile"] = fmt::format("{}", scheme.percentile);
    }
    if (margin != 0.0) metadata.other["tinyml.mask_margin"] = fmt::format("{}", margin);
  }

  Graph& graph_;
  ModuleNames names_;
  std::map<std::string, Buffers> by_path_;
  int named_calls_ = 0;
  std::map<ValueId, Buffers> buffers_;
  std::map<ValueId, ValueId> rounded_;  ///< A value -> the result of its FakeQuant.
};

}  // namespace

void insert_activations(Graph& graph, const std::vector<Site>& sites, const std::vector<WidthSite>& widths) {
  ActivationInserter inserter(graph);
  // A scale may be taken from a value that is computed later.
  for (const bool shares : {false, true}) {
    for (const Site& site : sites) {
      if ((site.source != kNoValue) == shares) inserter.insert(site);
    }
  }
  for (const WidthSite& site : widths) inserter.insert(site);
}

}  // namespace tinyml::quantization
