#include <algorithm>
#include <cmath>
#include <numeric>

#include "prune/metrics.h"

namespace tinyml::prune {
namespace {

void divide(std::vector<double>& values, double by) {
  if (by == 0.0) return;
  for (double& value : values) value /= by;
}

void standardise(std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double variance = 0.0;
  for (double& value : values) {
    value -= mean;
    variance += value * value / count;
  }
  divide(values, std::sqrt(variance));
}

/// Each squared score over the sum of all squared scores that are not smaller.
void normalize_lamp(std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  double sum = 0.0;
  for (const size_t index : order) {
    const double square = values[index] * values[index];
    sum += square;
    values[index] = sum > 0.0 ? square / sum : 0.0;
  }
}

void normalize_layer(std::vector<double>& values, std::string_view how) {
  if (values.empty() || how == "none") return;
  if (how == "mean") {
    divide(values, std::abs(std::accumulate(values.begin(), values.end(), 0.0)) / static_cast<double>(values.size()));
  } else if (how == "max") {
    divide(values, std::abs(*std::max_element(values.begin(), values.end(),
                                              [](double a, double b) { return std::abs(a) < std::abs(b); })));
  } else if (how == "standard") {
    standardise(values);
  } else {
    TINYML_CHECK(how == "lamp");
    normalize_lamp(values);
  }
}

}  // namespace

std::vector<double> reduce_scores(const std::vector<LayerScores>& layers, size_t unit_count, std::string_view normalize,
                                  std::string_view reduction) {
  std::vector<double> scores(unit_count, 0.0), sums(unit_count, 0.0);
  std::vector<int64_t> layer_counts(unit_count, 0), counts(unit_count, 0);
  for (const LayerScores& layer : layers) {
    TINYML_CHECK(layer.values.size() == layer.units->size());
    std::vector<size_t> units;
    for (size_t i = 0; i < layer.values.size(); ++i) {
      if ((*layer.units)[i] == kPinnedUnit) continue;
      const auto unit = static_cast<size_t>((*layer.units)[i]);
      if (counts[unit]++ == 0) units.push_back(unit);
      sums[unit] += layer.values[i];
    }
    std::vector<double> values;
    for (const size_t unit : units) {
      values.push_back(sums[unit] / static_cast<double>(counts[unit]));
      sums[unit] = 0.0;
      counts[unit] = 0;
    }
    normalize_layer(values, normalize);
    for (size_t i = 0; i < units.size(); ++i) {
      double& score = scores[units[i]];
      const bool first = layer_counts[units[i]]++ == 0;
      score = reduction == "max" && !first ? std::max(score, values[i]) : score + values[i];
    }
  }
  if (reduction == "mean") {
    for (size_t i = 0; i < unit_count; ++i) scores[i] /= static_cast<double>(std::max<int64_t>(layer_counts[i], 1));
  }
  return scores;
}

}  // namespace tinyml::prune
