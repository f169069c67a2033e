#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "prune/metrics.h"

namespace tinyml {
namespace {

using prune::LayerScores;

/// Uniform in [0, 1) from a seed and a counter (splitmix64).
double uniform(uint64_t seed, uint64_t index) {
  uint64_t x = seed * 0x9E3779B97F4A7C15ull + (index + 1) * 0xD1B54A32D192ED03ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1.0p-53;
}

std::vector<double> random_scores(size_t count, uint64_t seed) {
  std::vector<double> scores(count);
  for (size_t i = 0; i < count; ++i) scores[i] = uniform(seed, i);
  return scores;
}

/// Layers of the weights' own norms for the units that `layers` leaves without a score.
void score_the_rest(const Graph& graph, const DependencyGraph& dependencies, std::vector<LayerScores>& layers) {
  std::vector<bool> scored(static_cast<size_t>(dependencies.unit_count), false);
  for (const LayerScores& layer : layers) {
    for (const UnitId unit : *layer.units) {
      if (unit != kPinnedUnit) scored[static_cast<size_t>(unit)] = true;
    }
  }
  for (LayerScores& layer : prune::score_weights(graph, dependencies, prune::l2_norms)) {
    const bool missing = std::any_of(layer.units->begin(), layer.units->end(), [&](UnitId unit) {
      return unit != kPinnedUnit && !scored[static_cast<size_t>(unit)];
    });
    if (missing) layers.push_back(std::move(layer));
  }
}

std::vector<LayerScores> layer_scores(const Graph& graph, const DependencyGraph& dependencies,
                                      const std::string& metric, const ImportanceData& data) {
  using prune::ActivationMetric;
  if (metric == "l1_norm") return prune::score_weights(graph, dependencies, prune::l1_norms);
  if (metric == "l2_norm" || metric == "lamp") return prune::score_weights(graph, dependencies, prune::l2_norms);
  if (metric == "fpgm") return prune::score_weights(graph, dependencies, prune::geometric_median_distances);
  if (metric == "custom") return prune::score_custom(graph, dependencies, data);
  std::vector<LayerScores> layers;
  if (metric == "bn_scale") layers = prune::score_norm_scales(graph, dependencies);
  if (metric == "hrank") layers = prune::score_activations(graph, dependencies, data, ActivationMetric::kRank);
  if (metric == "apoz") layers = prune::score_activations(graph, dependencies, data, ActivationMetric::kApoz);
  score_the_rest(graph, dependencies, layers);
  return layers;
}

}  // namespace

const std::vector<std::string>& pruning_metrics() {
  static const std::vector<std::string> names = {"random", "l1_norm", "l2_norm", "fpgm", "bn_scale",
                                                 "lamp",   "taylor",  "hrank",   "apoz", "custom"};
  return names;
}

std::vector<double> score_channels(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                                   const ImportanceData& data) {
  const auto count = static_cast<size_t>(dependencies.unit_count);
  const std::vector<std::string>& names = pruning_metrics();
  if (std::find(names.begin(), names.end(), config.metric) == names.end()) {
    throw Error(fmt::format("unknown pruning metric '{}'", config.metric),
                fmt::format("use one of {}", fmt::join(names, ", ")));
  }
  std::string normalize = config.normalize;
  if (normalize.empty()) normalize = config.metric == "lamp" ? "lamp" : config.scope == "global" ? "mean" : "none";
  if (!data.unit_scores.empty() || config.metric == "random" || config.metric == "taylor") {
    if (!data.unit_scores.empty() && data.unit_scores.size() != count) {
      throw Error(fmt::format("{} scores for {} groups of channels", data.unit_scores.size(), count),
                  "the scores belong to another model");
    }
    std::vector<double> scores = !data.unit_scores.empty()   ? data.unit_scores
                                 : config.metric == "random" ? random_scores(count, config.seed)
                                                             : prune::score_taylor(graph, dependencies, data);
    if (normalize == "none") return scores;
    std::vector<LayerScores> layers;
    for (const Subgraph& subgraph : dependencies.subgraphs) {
      LayerScores layer{std::make_shared<const std::vector<UnitId>>(subgraph.units), {}};
      for (const UnitId unit : subgraph.units) layer.values.push_back(scores[static_cast<size_t>(unit)]);
      layers.push_back(std::move(layer));
    }
    return prune::reduce_scores(layers, count, normalize, "sum");
  }
  return prune::reduce_scores(layer_scores(graph, dependencies, config.metric, data), count, normalize,
                              config.group_reduction);
}

}  // namespace tinyml
