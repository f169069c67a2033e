// Which elements of a dimension make up each element of its resized form.
#pragma once

#include <cstdint>
#include <vector>

namespace tinyml::evaluation {

enum class ResizeFilter { kNearest, kNearestExact, kLinear, kCubic };

struct Tap {
  int64_t source;
  double weight;
};
using Taps = std::vector<std::vector<Tap>>;  ///< One list an output position; a source may stand in it twice.

/// How one dimension is resized. `scale`: the factor the user gave, or 0.
struct ResizeAxis {
  int64_t in = 1;
  int64_t out = 1;
  double scale = 0;
  bool align_corners = false;

  /// Distance of two output positions in the source.
  double step() const;
};

/// As torch.nn.functional.interpolate computes positions and weights.
Taps resize_taps(const ResizeAxis& resize, ResizeFilter filter);

/// With antialias=True (kLinear and kCubic): the filter is stretched by the factor of reduction, cut at the ends and
/// normalised.
Taps antialiasing_taps(const ResizeAxis& resize, ResizeFilter filter);

}  // namespace tinyml::evaluation
