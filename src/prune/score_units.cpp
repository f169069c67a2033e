#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "prune/metrics.h"

namespace tinyml::prune {
namespace {

using Metric = std::vector<double> (*)(const AxisRows&);

const std::map<std::string, Metric, std::less<>>& metrics() {
  static const std::map<std::string, Metric, std::less<>> table = {
      {"l1_norm", l1_norms}, {"l2_norm", l2_norms}, {"fpgm", geometric_median_distances}};
  return table;
}

/// Uniform in [0, 1) from a seed and a counter (splitmix64).
double uniform(uint64_t seed, uint64_t index) {
  uint64_t x = seed * 0x9E3779B97F4A7C15ull + (index + 1) * 0xD1B54A32D192ED03ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1.0p-53;
}

AxisRows rows_of(const Tensor& data, const BindingAxis& axis) {
  AxisRows rows;
  rows.data = reinterpret_cast<const float*>(data.bytes());
  rows.groups = axis.groups;
  for (int64_t dim = 0; dim < axis.dim; ++dim) rows.rows = std::max<int64_t>(rows.rows, 1) * data.size(dim);
  rows.rows = std::max<int64_t>(rows.rows, 1);
  rows.row_run = rows.rows / axis.groups;
  rows.size = data.size(axis.dim);
  for (int64_t dim = axis.dim + 1; dim < data.rank(); ++dim) rows.inner *= data.size(dim);
  return rows;
}

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names = {"random", "l1_norm", "l2_norm", "fpgm"};
  return names;
}

std::vector<double> score_units(const Graph& graph, const DependencyGraph& dependencies, std::string_view metric,
                                uint64_t seed) {
  std::vector<double> scores(static_cast<size_t>(dependencies.unit_count), 0.0);
  if (metric == "random") {
    for (size_t i = 0; i < scores.size(); ++i) scores[i] = uniform(seed, i);
    return scores;
  }
  const auto function = metrics().find(metric);
  if (function == metrics().end()) {
    throw Error(fmt::format("unknown pruning metric '{}'", metric),
                fmt::format("use one of {}", fmt::join(metric_names(), ", ")));
  }
  std::vector<double> sums(scores.size(), 0.0);
  std::vector<int64_t> counts(scores.size(), 0);
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kProducer) continue;
    const Tensor& weight = graph.binding_of(axis.value)->data;
    const Tensor data = weight.type() == ScalarType::kFloat32 ? weight.contiguous() : weight.to(ScalarType::kFloat32);
    const std::vector<double> rows = function->second(rows_of(data, axis));
    for (size_t i = 0; i < rows.size(); ++i) {
      const UnitId unit = (*axis.units)[i];
      if (unit == kPinnedUnit) continue;
      sums[static_cast<size_t>(unit)] += rows[i];
      ++counts[static_cast<size_t>(unit)];
    }
    for (UnitId unit : *axis.units) {
      if (unit == kPinnedUnit || counts[static_cast<size_t>(unit)] == 0) continue;
      scores[static_cast<size_t>(unit)] +=
          sums[static_cast<size_t>(unit)] / static_cast<double>(counts[static_cast<size_t>(unit)]);
      sums[static_cast<size_t>(unit)] = 0.0;
      counts[static_cast<size_t>(unit)] = 0;
    }
  }
  return scores;
}

}  // namespace tinyml::prune
