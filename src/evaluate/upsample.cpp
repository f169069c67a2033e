// Resizing of spatial dimensions: nearest, linear, cubic and their antialiased forms. Every form is separable, so each
// dimension is resized on its own by a list of (source position, weight) for each output position.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

enum class Filter { kNearest, kNearestExact, kLinear, kCubic };

struct Tap {
  int64_t source;
  double weight;
};
using Taps = std::vector<std::vector<Tap>>;  ///< One list an output position.

/// How one dimension is resized. `scale`: the factor the user gave, or 0.
struct Resize {
  int64_t in;
  int64_t out;
  double scale;
  bool align_corners;

  /// Distance of two output positions in the source.
  double step() const {
    if (align_corners) return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
    return scale > 0 ? 1 / scale : static_cast<double>(in) / static_cast<double>(out);
  }
};

/// Positions are computed in float32, as PyTorch does for float32 tensors: rounding decides which element is taken.
Taps nearest_taps(const Resize& resize, double shift) {
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

double filter_weight(Filter filter, double distance, double a) {
  if (filter == Filter::kCubic) return cubic_weight(distance, a);
  return std::max(0.0, 1 - std::fabs(distance));
}

/// Positions beyond the ends count as the end's.
Taps interpolating_taps(const Resize& resize, Filter filter) {
  constexpr double kSharpness = -0.75;
  Taps taps;
  const double step = resize.step();
  for (int64_t i = 0; i < resize.out; ++i) {
    double at = resize.align_corners ? step * static_cast<double>(i) : step * (static_cast<double>(i) + 0.5) - 0.5;
    if (filter == Filter::kLinear) at = std::max(at, 0.0);
    const auto first = static_cast<int64_t>(std::floor(at));
    const int64_t reach = filter == Filter::kCubic ? 1 : 0;
    std::vector<Tap> list;
    for (int64_t k = first - reach; k <= first + 1 + reach; ++k) {
      list.push_back(
          {std::clamp<int64_t>(k, 0, resize.in - 1), filter_weight(filter, at - static_cast<double>(k), kSharpness)});
    }
    taps.push_back(std::move(list));
  }
  return taps;
}

/// The filter is stretched by the factor of reduction, cut at the ends and normalised.
Taps antialiasing_taps(const Resize& resize, Filter filter) {
  constexpr double kSharpness = -0.5;
  Taps taps;
  const double step = resize.step();
  const double stretch = std::max(step, 1.0);
  const double reach = (filter == Filter::kCubic ? 2 : 1) * stretch;
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

Tensor resize_dim(const Tensor& tensor, int64_t dim, const Taps& taps) {
  const Tensor source = move_to_end(tensor, dim).contiguous();
  Sizes shape = source.shape();
  const int64_t in = shape.back();
  const auto out = static_cast<int64_t>(taps.size());
  shape.back() = out;
  return dispatch_compute(tensor.type(), [&](auto zero) {
    using T = decltype(zero);
    Tensor result(scalar_type_of<T>(), shape);
    const T* from = source.data<T>().data();
    T* to = result.mutable_data<T>();
    for (int64_t row = 0; row < source.numel() / in; ++row) {
      for (int64_t i = 0; i < out; ++i) {
        const auto& list = taps[static_cast<size_t>(i)];
        if (list.size() == 1) {
          to[row * out + i] = from[row * in + list[0].source];
          continue;
        }
        double sum = 0;
        for (const Tap& tap : list) sum += tap.weight * static_cast<double>(from[row * in + tap.source]);
        to[row * out + i] = static_cast<T>(sum);
      }
    }
    return move_from_end(result, dim);
  });
}

/// The user's scale of each dimension, or 0: a list, or arguments of their own.
std::vector<double> scales_of(const OperatorCall& call, size_t rank) {
  if (call.node().has_arg("scale_factors")) {
    std::vector<double> scales = call.numbers("scale_factors");
    if (!scales.empty() && scales.size() != rank) throw Error("one scale factor a dimension is expected");
    scales.resize(rank, 0);
    return scales;
  }
  if (rank == 1) return {call.optional_number("scales").value_or(0)};
  constexpr const char* kNames[] = {"scales_d", "scales_h", "scales_w"};
  std::vector<double> scales;
  for (size_t i = 3 - rank; i < 3; ++i) scales.push_back(call.optional_number(kNames[i]).value_or(0));
  return scales;
}

template <Filter kFilter, size_t kRank, bool kAntialias = false>
Tensor upsample(const OperatorCall& call) {
  const Tensor input = call.tensor(call.node().has_arg("self") ? "self" : "input");
  if (input.rank() != static_cast<int64_t>(kRank) + 2)
    throw Error("a batch, channels and spatial dimensions are expected");
  const std::vector<double> scales = scales_of(call, kRank);
  Sizes sizes = call.integers("output_size");
  if (sizes.empty()) {
    for (size_t i = 0; i < kRank; ++i) {
      sizes.push_back(static_cast<int64_t>(static_cast<double>(input.shape()[i + 2]) * scales[i]));
    }
  }
  if (sizes.size() != kRank) throw Error("one output size a dimension is expected");
  const bool align_corners = call.node().has_arg("align_corners") && call.boolean("align_corners");
  Tensor result = input.to(compute_type(input.type()));
  for (size_t i = 0; i < kRank; ++i) {
    const Resize resize{input.shape()[i + 2], sizes[i], scales[i], align_corners};
    if (resize.in <= 0 || resize.out <= 0) throw Error("input and output sizes must be positive");
    if (resize.in == resize.out && (scales[i] == 0 || scales[i] == 1)) continue;
    Taps taps;
    if constexpr (kFilter == Filter::kNearest || kFilter == Filter::kNearestExact) {
      taps = nearest_taps(resize, kFilter == Filter::kNearest ? 0 : 0.5);
    } else {
      taps = kAntialias ? antialiasing_taps(resize, kFilter) : interpolating_taps(resize, kFilter);
    }
    result = resize_dim(result, static_cast<int64_t>(i) + 2, taps);
  }
  return result.to(input.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.upsample_nearest1d.default", upsample<Filter::kNearest, 1>},
    {"aten.upsample_nearest1d.vec", upsample<Filter::kNearest, 1>},
    {"aten.upsample_nearest2d.default", upsample<Filter::kNearest, 2>},
    {"aten.upsample_nearest2d.vec", upsample<Filter::kNearest, 2>},
    {"aten.upsample_nearest3d.default", upsample<Filter::kNearest, 3>},
    {"aten.upsample_nearest3d.vec", upsample<Filter::kNearest, 3>},
    {"aten._upsample_nearest_exact1d.default", upsample<Filter::kNearestExact, 1>},
    {"aten._upsample_nearest_exact1d.vec", upsample<Filter::kNearestExact, 1>},
    {"aten._upsample_nearest_exact2d.default", upsample<Filter::kNearestExact, 2>},
    {"aten._upsample_nearest_exact2d.vec", upsample<Filter::kNearestExact, 2>},
    {"aten._upsample_nearest_exact3d.default", upsample<Filter::kNearestExact, 3>},
    {"aten._upsample_nearest_exact3d.vec", upsample<Filter::kNearestExact, 3>},
    {"aten.upsample_linear1d.default", upsample<Filter::kLinear, 1>},
    {"aten.upsample_linear1d.vec", upsample<Filter::kLinear, 1>},
    {"aten.upsample_bilinear2d.default", upsample<Filter::kLinear, 2>},
    {"aten.upsample_bilinear2d.vec", upsample<Filter::kLinear, 2>},
    {"aten.upsample_trilinear3d.default", upsample<Filter::kLinear, 3>},
    {"aten.upsample_trilinear3d.vec", upsample<Filter::kLinear, 3>},
    {"aten.upsample_bicubic2d.default", upsample<Filter::kCubic, 2>},
    {"aten.upsample_bicubic2d.vec", upsample<Filter::kCubic, 2>},
    {"aten._upsample_bilinear2d_aa.default", upsample<Filter::kLinear, 2, true>},
    {"aten._upsample_bilinear2d_aa.vec", upsample<Filter::kLinear, 2, true>},
    {"aten._upsample_bicubic2d_aa.default", upsample<Filter::kCubic, 2, true>},
    {"aten._upsample_bicubic2d_aa.vec", upsample<Filter::kCubic, 2, true>},
};

}  // namespace

std::span<const OperatorEntry> upsample_operators() { return kOperators; }

}  // namespace tinyml::evaluation
