#include <algorithm>
#include <cmath>
#include <span>

#include "quantize/equalize/find_pairs.h"
#include "quantize/equalize/parameters.h"
#include "tinyml/equalize.h"
#include "tinyml/quantize.h"

namespace tinyml {
namespace {

using namespace quantization;

constexpr int kSweeps = 50;
constexpr float kSettled = 1e-3f;    // a sweep that changes no factor by more ends the search
constexpr float kDeviations = 3.0f;  // values of a channel lie so many standard deviations around its mean

/// What a batch norm multiplies an output channel by.
float norm_factor(Parameters& parameters, const EqualizedLayer& layer, size_t channel) {
  if (layer.gamma == kNoValue) return 1.0f;
  return std::abs(parameters.of(layer.gamma)[channel]) * layer.inverse_deviation[channel];
}

/// Largest weight, batch norm included, of the runs that `for_each` visits.
template <typename ForEach>
float largest(Parameters& parameters, const EqualizedLayer& layer, ForEach for_each) {
  const std::span<const float> weight = parameters.of(layer.weight);
  float range = 0.0f;
  for_each([&](size_t output, size_t begin) {
    float run = 0.0f;
    for (const float value : weight.subspan(begin, layer.shape.inner)) run = std::max(run, std::abs(value));
    range = std::max(range, run * norm_factor(parameters, layer, output));
  });
  return range;
}

float range_of_output(Parameters& parameters, const EqualizedLayer& first, size_t channel) {
  return largest(parameters, first, [&](auto visit) { first.shape.for_each_output(channel, visit); });
}

float range_of_inputs(Parameters& parameters, const SecondLayer& second, size_t channel) {
  return largest(parameters, second.layer, [&](auto visit) {
    for (size_t i = 0; i < second.repeat; ++i) second.layer.shape.for_each_input(channel * second.repeat + i, visit);
  });
}

void divide_output(Parameters& parameters, const EqualizedLayer& first, size_t channel, float by) {
  if (first.gamma != kNoValue) {
    parameters.of(first.gamma)[channel] /= by;
    parameters.of(first.beta)[channel] /= by;
    return;
  }
  const std::span<float> weight = parameters.of(first.weight);
  first.shape.for_each_output(channel, [&](size_t, size_t begin) {
    for (float& value : weight.subspan(begin, first.shape.inner)) value /= by;
  });
  if (first.bias != kNoValue) parameters.of(first.bias)[channel] /= by;
}

void multiply_inputs(Parameters& parameters, const SecondLayer& second, size_t channel, float by) {
  const std::span<float> weight = parameters.of(second.layer.weight);
  for (size_t i = 0; i < second.repeat; ++i) {
    second.layer.shape.for_each_input(channel * second.repeat + i, [&](size_t, size_t begin) {
      for (float& value : weight.subspan(begin, second.layer.shape.inner)) value *= by;
    });
  }
}

/// How far the values of a channel go from zero, as its batch norm says; 0 where there is none.
float reach(Parameters& parameters, const EqualizedLayer& first, size_t channel) {
  if (first.gamma == kNoValue) return 0.0f;
  return std::abs(parameters.of(first.beta)[channel]) + kDeviations * std::abs(parameters.of(first.gamma)[channel]);
}

/// Equalizes every channel between the layers; returns the largest |log(factor)|.
float equalize(Parameters& parameters, const EqualizedLayers& layers) {
  float change = 0.0f, longest = 0.0f;
  const size_t channels = layers.first.shape.outputs();
  for (size_t i = 0; i < channels; ++i) longest = std::max(longest, reach(parameters, layers.first, i));
  for (size_t i = 0; i < channels; ++i) {
    const float made = range_of_output(parameters, layers.first, i);
    float read = 0.0f;
    for (const SecondLayer& second : layers.seconds) read = std::max(read, range_of_inputs(parameters, second, i));
    if (!(made > 0.0f) || !(read > 0.0f)) continue;  // a channel that is dead stays so
    float factor = std::sqrt(made / read);
    if (longest > 0.0f) factor = std::max(factor, reach(parameters, layers.first, i) / longest);
    if (!std::isnormal(factor)) continue;
    divide_output(parameters, layers.first, i, factor);
    for (const SecondLayer& second : layers.seconds) multiply_inputs(parameters, second, i, factor);
    change = std::max(change, std::abs(std::log(factor)));
  }
  return change;
}

}  // namespace

Graph equalize_layers(const Graph& graph, std::vector<std::pair<std::string, std::string>>* pairs) {
  if (is_quantized(graph))
    throw Error("the model has FakeQuants already", "equalize the float model, then quantize it");
  Graph result = graph;
  const std::vector<EqualizedLayers> found = find_equalized_layers(result);
  Parameters parameters(result);
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    float change = 0.0f;
    for (const EqualizedLayers& layers : found) change = std::max(change, equalize(parameters, layers));
    if (change < kSettled) break;
  }
  parameters.store();
  for (const EqualizedLayers& layers : found) {
    for (const SecondLayer& second : layers.seconds) {
      if (pairs != nullptr) {
        pairs->emplace_back(graph.node(layers.first.node).module_path(), graph.node(second.layer.node).module_path());
      }
    }
  }
  return result;
}

}  // namespace tinyml
