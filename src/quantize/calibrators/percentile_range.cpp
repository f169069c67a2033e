#include <algorithm>
#include <numeric>

#include "tinyml/calibration.h"

namespace tinyml {
namespace {

/// How many bins, with a part of the last, from the first one given on hold `count` values.
template <typename Iterator>
double bins_holding(Iterator begin, Iterator end, double count) {
  double bins = 0.0;
  for (; begin != end; ++begin) {
    const auto in_bin = static_cast<double>(*begin);
    if (in_bin > count) return bins + count / in_bin;
    count -= in_bin;
    bins += 1.0;
  }
  return bins;
}

}  // namespace

std::pair<double, double> percentile_range(std::span<const float> counts, double low, double high,
                                           const TensorScheme& scheme) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  const double outside = total * (1.0 - scheme.percentile / 100.0) / 2.0;
  const double width = (high - low) / static_cast<double>(counts.size());
  return {low + width * bins_holding(counts.begin(), counts.end(), outside),
          high - width * bins_holding(counts.rbegin(), counts.rend(), outside)};
}

}  // namespace tinyml
