#include <algorithm>
#include <cmath>

#include "tinyml/calibration.h"

namespace tinyml {
namespace {

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

std::pair<double, double> least_error_range(std::span<const float> counts, double low, double high,
                                            const TensorScheme& scheme) {
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
