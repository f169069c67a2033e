#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "quantize/observer_settings.h"
#include "quantize/range_cache.h"
#include "tinyml/calibration.h"
#include "tinyml/evaluate.h"
#include "tinyml/round_biases.h"
#include "tinyml/share_scales.h"

namespace tinyml {
namespace {

constexpr std::string_view kPerTensor = "aten.fake_quantize_per_tensor_affine.tensor_qparams";
constexpr size_t kHistogramBins = 2048;

// An activation's FakeQuant with a scale of its own, and what passed through it.
struct Observation {
  NodeId node = kNoNode;
  ValueId scale = kNoValue;
  ValueId zero_point = kNoValue;
  TensorScheme scheme;
  double mask_margin = 0.0;  ///< Not 0: masked scores may pass, and are put so far below the others.
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  std::vector<float> histogram = {};
  std::vector<ValueId> sources = {};  ///< What passes through it, unrounded.

  bool seen() const { return low <= high; }

  void observe(const Tensor& value) {
    const Tensor floats = value.to(ScalarType::kFloat32);
    if (mask_margin != 0.0) {
      const std::vector<float> saturated = saturate_masked(floats.data<float>(), mask_margin);
      observe(saturated.empty() ? floats.data<float>() : std::span<const float>(saturated));
    } else {
      observe(floats.data<float>());
    }
  }

  void observe(std::span<const float> values) {
    if (reads_histogram(scheme.observer)) {
      histogram.resize(kHistogramBins);
      observe_histogram(values, histogram, low, high);
      return;
    }
    float smallest = std::numeric_limits<float>::infinity();
    float largest = -smallest;
    for (const float x : values) {
      if (!std::isfinite(x)) continue;
      smallest = std::min(smallest, x);
      largest = std::max(largest, x);
    }
    if (smallest > largest) return;
    if (scheme.observer == Observer::kMovingAverage && seen()) {
      const auto momentum = static_cast<float>(scheme.momentum);
      smallest = low + momentum * (smallest - low);
      largest = high + momentum * (largest - high);
      low = smallest;
      high = largest;
    } else {
      low = std::min(low, smallest);
      high = std::max(high, largest);
    }
  }

  ScaleZeroPoint result() const {
    const auto [from, to] = choose_range(histogram, low, high, scheme);
    return choose_scale(from, to, scheme);
  }
};

std::string key_of(const Observation& observation) {
  const TensorScheme& scheme = observation.scheme;
  return fmt::format("{} {} {} {} {} {} {}", scheme.quant_min, scheme.quant_max, scheme.symmetric,
                     name_of(scheme.observer), scheme.momentum, scheme.percentile, observation.mask_margin);
}

std::vector<Observation> find_observations(const Graph& graph) {
  std::vector<Observation> found;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op != kPerTensor || quantization::is_requantize(node)) continue;
    const ValueId scale = node.arg("scale").as_value();
    // Weights with one scale have it from the weights themselves.
    const ValueId input = node.arg("self").as_value();
    if (graph.binding_of(input) != nullptr || graph.binding_of(scale) == nullptr) continue;
    const quantization::ObserverSettings settings = quantization::read_observer_settings(node, Observer::kMse);
    found.push_back({id, scale, node.arg("zero_point").as_value(), settings.scheme, settings.mask_margin});
  }
  return found;
}

// The graph with activations passing through unrounded.
Graph without_activation_rounding(const Graph& graph) {
  Graph plain = graph;
  for (const NodeId id : plain.nodes()) {
    const Node& node = plain.node(id);
    const bool fixed = node.op == "aten.fake_quantize_per_tensor_affine.default";
    if (node.op != kPerTensor && !fixed) continue;
    const ValueId input = node.arg("self").as_value();
    if (plain.binding_of(input) == nullptr) plain.replace_all_uses(node.output(), input);
  }
  return plain;
}

}  // namespace

bool is_quantized(const Graph& graph) {
  const std::vector<NodeId> nodes = graph.nodes();
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](NodeId id) { return graph.node(id).op.find("fake_quant") != std::string::npos; });
}

Graph calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                const std::function<void(size_t)>& on_sample) {
  return quantization::RangeCache().calibrate(graph, samples, on_sample);
}

Graph quantization::RangeCache::calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                                          const std::function<void(size_t)>& on_sample) {
  if (samples.empty()) throw Error("there is no sample to calibrate with", "give representative inputs");
  std::vector<Observation> observations = find_observations(graph);
  if (observations.empty()) throw Error("the model has no FakeQuant to calibrate", "quantize it first");

  const Graph plain = without_activation_rounding(graph);
  // FakeQuants with one scale, of a module that is called several times, observe together.
  std::map<ValueId, Observation*> by_scale;
  std::map<ValueId, std::string> keys;
  for (Observation& observation : observations) {
    Observation* whole = by_scale.try_emplace(observation.scale, &observation).first->second;
    whole->sources.push_back(plain.node(observation.node).arg("self").as_value());
  }
  std::multimap<ValueId, Observation*> by_value;
  for (const auto& [scale, whole] : by_scale) {
    std::string key = key_of(*whole);
    for (const ValueId value : whole->sources) key += " " + graph.value(value).name;
    if (!known_.contains(key)) {
      for (const ValueId value : whole->sources) by_value.emplace(value, whole);
    }
    keys.emplace(scale, std::move(key));
  }
  EvaluateOptions options;
  options.on_value = [&](ValueId id, const Tensor& value) {
    const auto [begin, end] = by_value.equal_range(id);
    for (auto entry = begin; entry != end; ++entry) entry->second->observe(value);
  };
  for (size_t i = 0; i < samples.size() && !by_value.empty(); ++i) {
    evaluate(plain, samples[i], options);
    if (on_sample) on_sample(i);
  }

  Graph result = graph;
  std::vector<Diagnostic> unseen;
  for (const auto& [scale, whole] : by_scale) {
    const Observation& observation = *whole;
    const Node& node = graph.node(observation.node);
    const std::string& key = keys.at(scale);
    if (!known_.contains(key) && !observation.seen()) {
      unseen.push_back({fmt::format("no finite value reached '{}'", graph.value(node.output()).name),
                        node.module_path(), node.source(), "calibrate with representative inputs"});
      continue;
    }
    if (!known_.contains(key)) known_.emplace(key, observation.result());
    const ScaleZeroPoint& chosen = known_.at(key);
    result.set_binding_data(observation.scale, Tensor::from<float>({chosen.scale}, {1}));
    result.set_binding_data(observation.zero_point, Tensor::from<int32_t>({chosen.zero_point}, {1}));
  }
  if (!unseen.empty()) throw Error("the model could not be calibrated", std::move(unseen));
  return round_biases(share_scales(result));
}

}  // namespace tinyml
