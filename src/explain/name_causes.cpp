#include "explain/name_causes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/node_notes.h"
#include "tinyml/evaluate.h"

namespace tinyml::explaining {
namespace {

// Thresholds are shares of the energy of the layer's own error, or ratios of ranges.
constexpr double kLargeShare = 0.3;
constexpr double kHalf = 0.5;
constexpr double kOutlierRatio = 8;
constexpr double kTieRatio = 4;
constexpr double kUsedLevels = 0.4;
constexpr double kLargestBias = 2147483647.0;

std::string layer_of(const Graph& graph, const Probe& probe) {
  const NodeId producer = graph.value(probe.self).producer;
  const std::string path = producer == kNoNode ? "" : graph.node(producer).module_path();
  return path.empty() ? graph.value(probe.self).name : path;
}

std::string wider(const std::string& layer) {
  return fmt::format(
      "16 bits for this layer and those that read it: layers: {{\"{}\": {{bits: {{activation: 16}}}}, ...}}, or leave "
      "them "
      "float: ignore: [\"{}\", ...]",
      layer, layer);
}

const Node* layer_behind(const Graph& graph, ValueId value) {
  for (int steps = 0; steps < 2; ++steps) {
    const NodeId producer = graph.value(value).producer;
    if (producer == kNoNode) return nullptr;
    const Node& node = graph.node(producer);
    if (node.has_arg("weight") && node.has_arg("bias")) return &node;
    if (node.args.empty() || !node.args[0].value.is_value()) return nullptr;
    value = node.args[0].value.as_value();
  }
  return nullptr;
}

const Node* fake_quantize_of(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const NodeId producer = graph.value(argument.as_value()).producer;
  if (producer == kNoNode) return nullptr;
  const Node& node = graph.node(producer);
  return is_fake_quantize(node) ? &node : nullptr;
}

// What a value is that no input reaches, such as the bias of a layer with a batch norm folded in.
std::optional<Tensor> constant_tensor(const Graph& graph, ValueId value) {
  if (const Binding* binding = graph.binding_of(value)) return binding->data;
  const NodeId producer = graph.value(value).producer;
  if (producer == kNoNode || !is_evaluable(graph.node(producer).op)) return std::nullopt;
  const Node& node = graph.node(producer);
  std::vector<ValueId> operands;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId operand) {
      if (std::find(operands.begin(), operands.end(), operand) == operands.end()) operands.push_back(operand);
    });
  }
  std::vector<Tensor> tensors;
  for (const ValueId operand : operands) {
    std::optional<Tensor> tensor = constant_tensor(graph, operand);
    if (!tensor) return std::nullopt;
    tensors.push_back(std::move(*tensor));
  }
  const auto index = std::find(node.outputs.begin(), node.outputs.end(), value) - node.outputs.begin();
  return evaluate_node(graph, producer, tensors).at(static_cast<size_t>(index));
}

std::optional<std::vector<double>> constant_numbers(const Graph& graph, const Argument& argument) {
  if (argument.is_number()) return std::vector<double>{argument.as_double()};
  const auto tensor = argument.is_value() ? constant_tensor(graph, argument.as_value()) : std::nullopt;
  return tensor ? std::optional(tensor->to_doubles()) : std::nullopt;
}

// The largest bias in steps of input scale times weight scale; 0 where it cannot be told.
double largest_bias(const Graph& graph, const Probe& probe) {
  const Node* layer = layer_behind(graph, probe.self);
  if (layer == nullptr || !layer->arg("bias").is_value()) return 0;
  const Node* input = fake_quantize_of(graph, layer->args[0].value);
  const Node* weight = fake_quantize_of(graph, layer->arg("weight"));
  if (input == nullptr || weight == nullptr) return 0;
  const auto bias = constant_numbers(graph, layer->arg("bias"));
  const auto scale = constant_numbers(graph, input->arg("scale"));
  const auto weights = constant_numbers(graph, weight->arg("scale"));
  if (!bias || !scale || !weights || scale->size() != 1) return 0;
  double largest = 0;
  for (size_t i = 0; i < bias->size(); ++i) {
    const double step = (*scale)[0] * (*weights)[weights->size() == 1 ? 0 : i];
    largest = std::max(largest, std::abs((*bias)[i]) / step);
  }
  return largest;
}

void find_tie(const Graph& graph, const Probe& probe, const Measurements& all, std::vector<ErrorFinding>& findings) {
  const NodeId producer = graph.value(probe.self).producer;
  if (producer == kNoNode || graph.node(producer).op != "aten.cat.default") return;
  const double held = std::max(-probe.low(), probe.high());
  graph.node(producer).arg("tensors").for_each_value([&](ValueId part) {
    const auto found = all.concatenated.find(part);
    if (found == all.concatenated.end() || !(found->second > 0) || found->second * kTieRatio > held) return;
    findings.push_back(
        {ErrorCause::kTiedScales, 0.0,
         fmt::format("'{}' reaches {:.3g}, the concatenation's scale holds {:.3g}: it has {:.0f} of 256 "
                     "levels",
                     graph.value(part).name, found->second, held, 256 * found->second / held),
         fmt::format("bring its inputs to one range (normalize or scale them), or {}", wider(layer_of(graph, probe)))});
  });
}

void find_outliers(const Graph& graph, const Probe& probe, const LayerSums& sums, std::vector<ErrorFinding>& findings) {
  if (sums.channels.size() < 4) return;
  std::vector<double> sorted = sums.channels;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  if (!(median > 0) || sorted.back() < kOutlierRatio * median) return;
  const auto at = std::max_element(sums.channels.begin(), sums.channels.end()) - sums.channels.begin();
  const double outliers = static_cast<double>(
      std::count_if(sorted.begin(), sorted.end(), [&](double x) { return x >= kOutlierRatio * median; }));
  findings.push_back({ErrorCause::kOutlierChannel, 0.0,
                      fmt::format("channel {} reaches {:.3g}, half of the channels stay below {:.3g}; {:.0f} of {} "
                                  "channels are such",
                                  at, sorted.back(), median, outliers, sorted.size()),
                      fmt::format("cross_layer_equalize, or {}", wider(layer_of(graph, probe)))});
}

void find_dead_range(const Graph& graph, const Probe& probe, const LayerSums& sums,
                     std::vector<ErrorFinding>& findings) {
  const double used = (sums.most - sums.least) / (probe.high() - probe.low());
  if (!(used < kUsedLevels)) return;
  const bool fixed = graph.node(probe.node).arg("scale").is_number();
  findings.push_back(
      {ErrorCause::kDeadRange, 0.0,
       fmt::format("the values use {:.0f} % of the range [{:.3g}, {:.3g}]", 100 * used, probe.low(), probe.high()),
       fixed ? fmt::format("the target prescribes this scale: {}", wider(layer_of(graph, probe)))
             : "calibrate with inputs like these (algorithm: mse), or train with observers on"});
}

}  // namespace

std::vector<ErrorFinding> name_causes(const Graph& graph, const Probe& probe, const LayerSums& sums,
                                      const Measurements& all, const std::string& kernel) {
  std::vector<ErrorFinding> findings;
  const double steps = largest_bias(graph, probe);
  if (steps > kLargestBias) {
    findings.push_back(
        {ErrorCause::kBiasOverflow, 1.0,
         fmt::format("a bias is {:.3g} steps of input and weight scale; int32 ends at 2.1e9", steps),
         "this channel's weights are too small beside its bias: per_tensor: true for this layer, or fold "
         "the constant into the next layer"});
  }
  if (probe.tensor == tflite::kNoTensor) {
    if (findings.empty()) {
      findings.push_back({ErrorCause::kUnsupportedForm, 0.0, "the file has no integer tensor for this FakeQuant",
                          "its operator runs in float or inside another one; nothing is lost here"});
    }
    return findings;
  }
  if (!(sums.local_noise > 0)) return findings;
  const double clipped = sums.clipped / sums.local_noise;
  const double weights = sums.weight_noise / sums.local_noise;
  const double kernels = sums.kernel_noise / sums.local_noise;
  if (clipped >= kLargeShare) {
    findings.push_back({ErrorCause::kClippedRange, clipped,
                        fmt::format("values in [{:.3g}, {:.3g}] are clipped to [{:.3g}, {:.3g}]", sums.least, sums.most,
                                    probe.low(), probe.high()),
                        fmt::format("layers: {{\"{}\": {{algorithm: min_max}}}}, and calibrate with inputs like these",
                                    layer_of(graph, probe))});
  }
  if (kernels >= kLargeShare) {
    findings.push_back(
        {ErrorCause::kKernelRounding, kernels,
         fmt::format("{} gives other integers than the FakeQuants for {:.2f} % of the values", kernel,
                     100.0 * static_cast<double>(sums.unequal) / static_cast<double>(sums.count)),
         "call tinyml.round_biases after training; kernels that round products once (XNNPACK) agree then, others "
         "with tinyml.simulate_kernels"});
  }
  if (weights >= kHalf) {
    const Node* layer = layer_behind(graph, probe.self);
    const Node* fake = layer == nullptr ? nullptr : fake_quantize_of(graph, layer->arg("weight"));
    const bool per_tensor = fake != nullptr && !fake->has_arg("axis");
    findings.push_back({ErrorCause::kWeightRounding, weights, "most of the error comes from the weights",
                        per_tensor ? "one scale for each output channel: per_tensor: false"
                                   : "train with quantization (QATQuantizer), or leave the layer float"});
  }
  const size_t named = findings.size();
  find_tie(graph, probe, all, findings);
  if (clipped + kernels + weights < 1 - kLargeShare || named == 0) {
    find_outliers(graph, probe, sums, findings);
    find_dead_range(graph, probe, sums, findings);
    if (findings.size() == named) {
      findings.push_back({ErrorCause::kRounding, std::max(0.0, 1 - clipped - kernels - weights),
                          "8 bits for values of this distribution", wider(layer_of(graph, probe))});
    }
  }
  std::stable_sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) { return a.share > b.share; });
  return findings;
}

}  // namespace tinyml::explaining
