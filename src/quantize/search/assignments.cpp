#include "quantize/search/assignments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quantize/lookups.h"
#include "tinyml/analysis.h"
#include "tinyml/evaluate.h"

namespace tinyml::quantization {
namespace {

/// Signal and noise energies of the outputs.
struct Energies {
  std::vector<double> signal, noise;

  void add(const std::vector<Tensor>& expected, const std::vector<Tensor>& actual) {
    signal.resize(expected.size());
    noise.resize(expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!expected[i].defined() || !is_floating_point(expected[i].type())) continue;
      const std::vector<double> a = expected[i].to_doubles(), b = actual[i].to_doubles();
      for (size_t k = 0; k < a.size(); ++k) {
        if (!std::isfinite(a[k]) || !std::isfinite(b[k])) continue;
        signal[i] += a[k] * a[k];
        noise[i] += (a[k] - b[k]) * (a[k] - b[k]);
      }
    }
  }

  double ratio() const {
    double sum = 0.0;
    size_t count = 0;
    for (size_t i = 0; i < signal.size(); ++i) {
      if (signal[i] <= 0.0) continue;
      sum += noise[i] / signal[i];
      ++count;
    }
    return count == 0 ? 0.0 : sum / static_cast<double>(count);
  }
};

/// FNV-1a: a checksum of data, for files that are to belong to it.
uint64_t checksum(uint64_t hash, std::span<const double> values) {
  for (const double value : values) {
    hash ^= std::bit_cast<uint64_t>(value);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace

Assignments::Assignments(const Graph& graph, const QuantizationScheme& scheme,
                         const std::vector<std::vector<Tensor>>& samples, const PrecisionSearchOptions& options)
    : graph_(graph), scheme_(scheme), samples_(samples), options_(options), layers_(list_layers(graph, scheme)) {
  if (samples.empty()) throw Error("a search for precisions needs example inputs", "give representative inputs");
  for (const std::vector<Tensor>& sample : samples) expected_.push_back(evaluate(graph, sample));
  if (options.sensitivity_by_quality && options.quality) float_quality_ = options.quality(graph);
}

std::vector<LayerPrecision> Assignments::precisions(const Assignment& assignment) const {
  std::vector<LayerPrecision> chosen = layers_;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (assignment[i] == 1) chosen[i].precision = "int16";
    if (assignment[i] != 2) continue;
    chosen[i].precision = "float";
    if (!chosen[i].weight.empty()) chosen[i].weight = "float";
  }
  return chosen;
}

Graph Assignments::quantized(const Assignment& assignment) {
  const QuantizationScheme scheme = apply_layer_config(text(assignment), "the search's choice", graph_, scheme_);
  const Graph quantized = quantize(graph_, scheme);
  return is_quantized(quantized) ? ranges_.calibrate(quantized, samples_) : quantized;
}

double Assignments::noise_ratio(const Graph& quantized, size_t count) const {
  Energies energies;
  for (size_t i = 0; i < std::min(count, samples_.size()); ++i) {
    energies.add(expected_[i], evaluate(quantized, samples_[i]));
  }
  return energies.ratio();
}

double Assignments::quality(const Graph& quantized) const {
  if (options_.quality) return options_.quality(quantized);
  const double ratio = noise_ratio(quantized, samples_.size());
  return ratio > 0.0 ? -10.0 * std::log10(ratio) : HUGE_VAL;
}

double Assignments::loss(const Graph& quantized) const {
  if (options_.sensitivity_by_quality && options_.quality) {
    return std::max(0.0, float_quality_ - options_.quality(quantized));
  }
  return noise_ratio(quantized, std::max<size_t>(options_.sensitivity_samples, 1));
}

std::vector<std::array<double, kPrecisions>> Assignments::bit_operations() const {
  std::map<std::string, double> by_result;
  for (const NodeCost& item : count_cost(graph_).nodes) {
    const Node& node = graph_.node(item.node);
    int64_t operations = item.cost.macs > 0 ? item.cost.macs : item.cost.flops;
    // A table computes nothing: what it costs is its place, one operation for each element.
    if (const auto table = table_of_rows(graph_, node)) {
      operations = graph_.binding_of(node.args[*table].value.as_value())->data.numel();
    }
    for (const ValueId output : node.outputs) {
      if (output != kNoValue) by_result[graph_.value(output).name] = static_cast<double>(operations);
    }
  }
  std::vector<std::array<double, kPrecisions>> costs;
  for (const LayerPrecision& layer : layers_) {
    double operations = 0.0;
    for (const std::string& result : layer.results) operations += by_result[result];
    const double wide = layer.weight.empty() ? 16.0 * 16.0 : 16.0 * 8.0;
    costs.push_back({operations * 64.0, operations * wide, operations * 1024.0});
  }
  return costs;
}

std::string Assignments::fingerprint() const {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::vector<Tensor>& outputs : expected_) {
    for (const Tensor& output : outputs) {
      if (output.defined()) hash = checksum(hash, output.to_doubles());
    }
  }
  std::string text = fmt::format("{:016x} {} {} {} {} {}", hash, samples_.size(), options_.sensitivity_samples,
                                 options_.sensitivity_by_quality, options_.quality ? "quality" : "snr",
                                 options_.cost ? "cost" : "bits");
  const TensorScheme& a = scheme_.activation;
  text += fmt::format(" {} {} {} {}", a.quant_max, a.symmetric, name_of(a.observer), scheme_.weight.per_channel);
  for (const LayerPrecision& layer : layers_) {
    text += fmt::format(" {}:{}:{}:{}", layer.name, layer.op, layer.precision, layer.weight);
  }
  return text;
}

}  // namespace tinyml::quantization
