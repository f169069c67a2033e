#include <algorithm>
#include <cmath>
#include <limits>

#include "tinyml/quantize.h"

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

/// Sum over the histogram of the squared difference between a value and its quantized form.
double squared_error(std::span<const float> counts, double low, double high, const ScaleZeroPoint& quantization,
                     const TensorScheme& scheme) {
  const double width = (high - low) / static_cast<double>(counts.size());
  const double scale = static_cast<double>(quantization.scale);
  const double smallest = static_cast<double>(scheme.quant_min - quantization.zero_point) * scale;
  const double largest = static_cast<double>(scheme.quant_max - quantization.zero_point) * scale;
  // Inside the range the rounding error is uniform over a step, where a step is wider than a bin; a narrower one is
  // taken at the bin's middle, which is exact for the clipped part that decides.
  const double rounding = scale * scale / 12.0;
  double error = 0.0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0.0f) continue;
    const double value = low + (static_cast<double>(i) + 0.5) * width;
    const double clipped = value - std::clamp(value, smallest, largest);
    error += static_cast<double>(counts[i]) * (clipped == 0.0 ? rounding : clipped * clipped);
  }
  return error;
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
    if (!std::isfinite(value)) continue;
    const auto bin =
        static_cast<size_t>(std::max(0.0, (static_cast<double>(value) - static_cast<double>(low)) * scale));
    counts[std::min(bin, counts.size() - 1)] += 1.0f;
  }
}

std::pair<double, double> best_range(std::span<const float> counts, double low, double high,
                                     const TensorScheme& scheme) {
  if (low > high) throw Error("A range is asked of a histogram that has observed nothing.");
  constexpr int kSteps = 128;
  std::pair<double, double> best = {std::min(low, 0.0), std::max(high, 0.0)};
  double best_error = squared_error(counts, low, high, choose_scale(best.first, best.second, scheme), scheme);
  const auto consider = [&](double new_low, double new_high) {
    const double error = squared_error(counts, low, high, choose_scale(new_low, new_high, scheme), scheme);
    if (error >= best_error) return false;
    best_error = error;
    best = {new_low, new_high};
    return true;
  };
  // Both bounds together first, then each alone from the best so far until neither helps.
  const std::pair<double, double> whole = best;
  for (int i = 1; i < kSteps; ++i) {
    const double part = 1.0 - static_cast<double>(i) / kSteps;
    consider(whole.first * part, whole.second * part);
  }
  for (bool improved = true; improved;) {
    improved = false;
    const std::pair<double, double> start = best;
    for (int i = 0; i <= kSteps; ++i) {
      const double part = static_cast<double>(i) / kSteps;
      improved = consider(whole.first * part, start.second) || improved;
    }
    const double chosen_low = best.first;
    for (int i = 0; i <= kSteps; ++i) {
      const double part = static_cast<double>(i) / kSteps;
      improved = consider(chosen_low, whole.second * part) || improved;
    }
  }
  return best;
}

}  // namespace tinyml
