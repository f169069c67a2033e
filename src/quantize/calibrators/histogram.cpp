#include <algorithm>
#include <cmath>
#include <limits>

#include "tinyml/calibration.h"

namespace tinyml {
namespace {

/// Moves counts over [low, high] to the bins of [new_low, new_high], which contains it, by the middle of each bin.
void widen(std::span<float> counts, double low, double high, double new_low, double new_high) {
  const size_t bins = counts.size();
  const double width = (high - low) / static_cast<double>(bins);
  const double scale = static_cast<double>(bins) / (new_high - new_low);
  std::vector<float> moved(bins, 0.0f);
  for (size_t i = 0; i < bins; ++i) {
    if (counts[i] == 0.0f) continue;
    const double middle = low + (static_cast<double>(i) + 0.5) * width;
    const auto target = static_cast<size_t>(std::max(0.0, (middle - new_low) * scale));
    moved[std::min(target, bins - 1)] += counts[i];
  }
  std::copy(moved.begin(), moved.end(), counts.begin());
}

}  // namespace

void observe_histogram(std::span<const float> values, std::span<float> counts, float& low, float& high) {
  TINYML_CHECK(!counts.empty());
  float smallest = std::numeric_limits<float>::infinity();
  float largest = -smallest;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
  }
  if (smallest > largest) return;
  const bool empty = low > high;
  float new_low = empty ? smallest : std::min(low, smallest);
  float new_high = empty ? largest : std::max(high, largest);
  if (new_low == new_high) {  // one value only: a bin has some width
    const float margin = std::max(std::abs(new_low) * 1e-3f, 1e-6f);
    new_low -= margin;
    new_high += margin;
  }
  if (!empty && (new_low < low || new_high > high)) {
    widen(counts, static_cast<double>(low), static_cast<double>(high), static_cast<double>(new_low),
          static_cast<double>(new_high));
  }
  low = new_low;
  high = new_high;
  const double scale = static_cast<double>(counts.size()) / (static_cast<double>(high) - static_cast<double>(low));
  for (const float value : values) {
    if (value == 0.0f || !std::isfinite(value)) continue;
    const auto bin =
        static_cast<size_t>(std::max(0.0, (static_cast<double>(value) - static_cast<double>(low)) * scale));
    counts[std::min(bin, counts.size() - 1)] += 1.0f;
  }
}

}  // namespace tinyml
