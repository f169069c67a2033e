#include <algorithm>
#include <cmath>

#include "quantize/equalize/find_pairs.h"
#include "quantize/equalize/parameters.h"
#include "quantize/module_names.h"
#include "tinyml/equalize.h"
#include "tinyml/quantize.h"

namespace tinyml {
namespace {

using namespace quantization;

constexpr float kDeviations = 3.0f;  // a channel's values lie so many standard deviations around its mean

/// Whether every second layer reads the ReLU of the first one's batch norm, and nothing else lies between.
bool is_relu_between(const Graph& graph, const EqualizedLayers& layers) {
  const std::vector<NodeId>& users = graph.value(layers.first.result).users;
  if (users.size() != 1 || base_name(graph.node(users[0]).op) != "relu") return false;
  const std::vector<NodeId>& readers = graph.value(graph.node(users[0]).output()).users;
  return std::all_of(layers.seconds.begin(), layers.seconds.end(), [&](const SecondLayer& second) {
    return std::find(readers.begin(), readers.end(), second.layer.node) != readers.end();
  });
}

/// Whether a constant in a channel of its input is a constant in its result, at the borders too, and can be added.
bool takes_constant(const Graph& graph, const SecondLayer& second) {
  const Node& node = graph.node(second.layer.node);
  const std::string name = base_name(node.op);
  if (second.repeat != 1 || name == "conv_transpose2d") return false;
  if (name != "linear") {
    const Argument& padding = node.arg("padding");
    if (!padding.is_int_list()) return false;
    for (const int64_t pad : padding.as_ints()) {
      if (pad != 0) return false;
    }
  }
  return second.layer.bias != kNoValue || second.layer.gamma != kNoValue;
}

/// Adds what `constant` in a channel of the input makes of the result.
void add_constant(Parameters& parameters, const SecondLayer& second, size_t channel, float constant) {
  const EqualizedLayer& layer = second.layer;
  const std::span<const float> weight = parameters.of(layer.weight);
  layer.shape.for_each_input(channel, [&](size_t output, size_t begin) {
    float sum = 0.0f;
    for (const float value : weight.subspan(begin, layer.shape.inner)) sum += value;
    if (layer.bias != kNoValue) {
      parameters.of(layer.bias)[output] += constant * sum;
    } else {
      const float factor = parameters.of(layer.gamma)[output] * layer.inverse_deviation[output];
      parameters.of(layer.beta)[output] += factor * constant * sum;
    }
  });
}

}  // namespace

Graph absorb_high_biases(const Graph& graph, size_t* absorbed) {
  if (is_quantized(graph))
    throw Error("the model has FakeQuants already", "absorb biases of the float model, then quantize it");
  Graph result = graph;
  Parameters parameters(result);
  size_t count = 0;
  for (const EqualizedLayers& layers : find_equalized_layers(graph)) {
    if (layers.first.gamma == kNoValue || !is_relu_between(graph, layers)) continue;
    if (!std::all_of(layers.seconds.begin(), layers.seconds.end(),
                     [&](const SecondLayer& second) { return takes_constant(graph, second); })) {
      continue;
    }
    for (size_t i = 0; i < layers.first.shape.outputs(); ++i) {
      float& beta = parameters.of(layers.first.beta)[i];
      const float constant = beta - kDeviations * std::abs(parameters.of(layers.first.gamma)[i]);
      if (!(constant > 0.0f) || !std::isfinite(constant)) continue;
      beta -= constant;
      for (const SecondLayer& second : layers.seconds) add_constant(parameters, second, i, constant);
      ++count;
    }
  }
  parameters.store();
  if (absorbed != nullptr) *absorbed = count;
  return result;
}

}  // namespace tinyml
