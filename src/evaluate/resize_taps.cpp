#include "evaluate/resize_taps.h"

#include <algorithm>
#include <cmath>

namespace tinyml::evaluation {
namespace {

/// Positions are computed in float32, as PyTorch does for float32 tensors: rounding decides which element is taken.
Taps nearest_taps(const ResizeAxis& resize, double shift) {
  Taps taps;
  const auto step = static_cast<float>(resize.step());
  for (int64_t i = 0; i < resize.out; ++i) {
    const float position = std::floor((static_cast<float>(i) + static_cast<float>(shift)) * step);
    taps.push_back({{std::min(static_cast<int64_t>(position), resize.in - 1), 1}});
  }
  return taps;
}

double cubic_weight(double distance, double a) {
  const double x = std::fabs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

double filter_weight(ResizeFilter filter, double distance, double a) {
  if (filter == ResizeFilter::kCubic) return cubic_weight(distance, a);
  return std::max(0.0, 1 - std::fabs(distance));
}

/// Positions beyond the ends count as the end's.
Taps interpolating_taps(const ResizeAxis& resize, ResizeFilter filter) {
  constexpr double kSharpness = -0.75;
  Taps taps;
  const double step = resize.step();
  for (int64_t i = 0; i < resize.out; ++i) {
    double at = resize.align_corners ? step * static_cast<double>(i) : step * (static_cast<double>(i) + 0.5) - 0.5;
    if (filter == ResizeFilter::kLinear) at = std::max(at, 0.0);
    const auto first = static_cast<int64_t>(std::floor(at));
    const int64_t reach = filter == ResizeFilter::kCubic ? 1 : 0;
    std::vector<Tap> list;
    for (int64_t k = first - reach; k <= first + 1 + reach; ++k) {
      list.push_back(
          {std::clamp<int64_t>(k, 0, resize.in - 1), filter_weight(filter, at - static_cast<double>(k), kSharpness)});
    }
    taps.push_back(std::move(list));
  }
  return taps;
}

}  // namespace

double ResizeAxis::step() const {
  if (align_corners) return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  return scale > 0 ? 1 / scale : static_cast<double>(in) / static_cast<double>(out);
}

Taps resize_taps(const ResizeAxis& resize, ResizeFilter filter) {
  if (filter == ResizeFilter::kNearest) return nearest_taps(resize, 0);
  if (filter == ResizeFilter::kNearestExact) return nearest_taps(resize, 0.5);
  return interpolating_taps(resize, filter);
}

Taps antialiasing_taps(const ResizeAxis& resize, ResizeFilter filter) {
  constexpr double kSharpness = -0.5;
  Taps taps;
  const double step = resize.step();
  const double stretch = std::max(step, 1.0);
  const double reach = (filter == ResizeFilter::kCubic ? 2 : 1) * stretch;
  for (int64_t i = 0; i < resize.out; ++i) {
    const double center = step * (static_cast<double>(i) + 0.5);
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - reach + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(center + reach + 0.5), resize.in);
    std::vector<Tap> list;
    double total = 0;
    for (int64_t k = first; k < last; ++k) {
      list.push_back({k, filter_weight(filter, (static_cast<double>(k) - center + 0.5) / stretch, kSharpness)});
      total += list.back().weight;
    }
    for (Tap& tap : list) tap.weight /= total;
    taps.push_back(std::move(list));
  }
  return taps;
}

}  // namespace tinyml::evaluation
