#include "train/folded_layers.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "graph/node_notes.h"

namespace tinyml::train {
namespace {

constexpr double kSmallestFactor = 1e-12;

struct FoldedLayer {
  size_t bias_index = 0;
  size_t weight_index = 0;
  ValueId weight = kNoValue;            ///< Rounded.
  std::vector<int64_t> channels_shape;  ///< In which values for each output channel multiply the weight.
  ValueId factor = kNoValue;            ///< gamma / sqrt(running_var + eps), one for each output channel.
  at::Tensor bias, gamma, beta, mean, variance, count;  ///< The first three and the last may be undefined.
  double eps = 0;
  double momentum = 0.1;  ///< 0: the cumulative average.

  at::Tensor run(Frame& frame, const Program::Step& step) const {
    const at::Tensor scale = frame.tensor(factor);
    const at::Tensor safe = at::where(scale.abs() < kSmallestFactor, at::full_like(scale, kSmallestFactor), scale);
    const at::Tensor unfolded = frame.tensor(weight) / safe.reshape(channels_shape);
    const c10::IValue own_bias = bias.defined() ? c10::IValue(bias) : c10::IValue();
    const at::Tensor y = frame.call_with(step, {{weight_index, unfolded}, {bias_index, own_bias}});
    double share = momentum;
    if (count.defined()) {
      count.add_(1);
      if (momentum == 0) share = 1.0 / static_cast<double>(count.item<int64_t>());
    }
    return at::batch_norm(y, gamma, beta, mean, variance, true, share, eps, true);
  }
};

const Node* producer_of(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const NodeId id = graph.value(argument.as_value()).producer;
  return id == kNoNode ? nullptr : &graph.node(id);
}

/// The node that shapes the factor by which the layer's weight has been multiplied.
const Node* find_factor(const Graph& graph, const Node& layer) {
  const Node* node = producer_of(graph, layer.arg("weight"));
  if (node != nullptr && is_fake_quantize(*node)) node = producer_of(graph, node->arg("self"));
  if (node == nullptr || node->op != "aten.mul.Tensor") return nullptr;
  const Node* row = producer_of(graph, node->arg("other"));
  if (row == nullptr || (row->op != "aten.reshape.default" && row->op != "aten.view.default")) return nullptr;
  return row;
}

/// What was added to the running variance.
std::optional<double> find_eps(const Graph& graph, const std::string& variance) {
  const Binding* binding = graph.find_binding(variance);
  if (binding == nullptr) return std::nullopt;
  for (const NodeId user : graph.value(binding->value).users) {
    const Node& node = graph.node(user);
    if (node.op == "aten.add.Tensor" && node.arg("other").is_number()) return node.arg("other").as_double();
  }
  return std::nullopt;
}

std::optional<FoldedLayer> find_folded_layer(const Graph& graph, const Node& node, const TensorsByName& tensors) {
  const std::string path = node.module_path() + ".";
  const auto tensor = [&](const std::string& name) {
    const auto found = tensors.find(path + name);
    return found == tensors.end() ? at::Tensor() : found->second;
  };
  const Node* factor = find_factor(graph, node);
  const std::optional<double> eps = find_eps(graph, path + "bn.running_var");
  FoldedLayer layer;
  layer.mean = tensor("bn.running_mean");
  layer.variance = tensor("bn.running_var");
  if (factor == nullptr || !eps || !layer.mean.defined() || !layer.variance.defined()) return std::nullopt;
  layer.bias_index = node.arg_index("bias");
  layer.weight_index = node.arg_index("weight");
  layer.weight = node.arg("weight").as_value();
  layer.factor = factor->arg("self").as_value();
  for (const Dim& dim : graph.tensor_type(factor->output()).shape) layer.channels_shape.push_back(dim.hint());
  layer.bias = tensor("bias");
  layer.gamma = tensor("bn.weight");
  layer.beta = tensor("bn.bias");
  layer.count = tensor("bn.num_batches_tracked");
  layer.eps = *eps;
  const std::string* momentum = note_of(node, "tinyml.bn_momentum");
  if (momentum != nullptr) layer.momentum = std::strtod(momentum->c_str(), nullptr);
  return layer;
}

bool is_layer(const Node& node) {
  const auto& stack = node.metadata.module_stack;
  const bool folds = !stack.empty() && stack.back().type.starts_with("tinyml.nn.qat_conv.");
  return folds && node.has_arg("weight") && node.has_arg("bias") && node.has_arg("input");
}

}  // namespace

void attach_folded_layers(Program& program, const TensorsByName& tensors, std::vector<Diagnostic>& untrainable) {
  std::vector<ValueId> kept;
  for (Program::Step& step : program.steps) {
    const Node& node = program.graph.node(step.node);
    if (!is_layer(node)) continue;
    std::optional<FoldedLayer> layer = find_folded_layer(program.graph, node, tensors);
    if (!layer) {
      untrainable.push_back({node.op + ": the batch norm folded into this layer cannot be told from its weights",
                             node.module_path(), node.source(),
                             "train the model before it is edited, or freeze_batch_norm() first"});
      continue;
    }
    kept.push_back(layer->factor);
    step.replacement = [layer = std::move(*layer), &step](Frame& frame) -> std::optional<at::Tensor> {
      if (!frame.mode().normalizes_by_batch()) return std::nullopt;
      return layer.run(frame, step);
    };
  }
  // The layers read their factors when the graph's own readers are done.
  for (Program::Step& step : program.steps) {
    std::erase_if(step.last_reads, [&](ValueId id) { return std::find(kept.begin(), kept.end(), id) != kept.end(); });
  }
}

}  // namespace tinyml::train
