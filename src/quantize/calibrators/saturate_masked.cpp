#include <algorithm>
#include <limits>

#include "tinyml/calibration.h"

namespace tinyml {

std::vector<float> saturate_masked(std::span<const float> values, double margin) {
  constexpr float kVanishing = 80.0f;  // exp(-80) is below any sum's rounding, and no range of scores is as wide
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float largest = -kInfinity;
  for (const float value : values) {
    if (value < kInfinity) largest = std::max(largest, value);
  }
  const float bound = largest - kVanishing;
  float smallest = kInfinity;
  bool any = false;
  for (const float value : values) {
    if (value < bound) {
      any = true;
    } else {
      smallest = std::min(smallest, value);
    }
  }
  if (!any) return {};
  const float masked = smallest - static_cast<float>(margin);
  std::vector<float> result(values.begin(), values.end());
  for (float& value : result) {
    if (value < bound) value = masked;
  }
  return result;
}

}  // namespace tinyml
