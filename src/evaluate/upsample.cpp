// Resizing of spatial dimensions: nearest, linear, cubic and their antialiased forms. Every form is separable, so each
// dimension is resized on its own by a list of (source position, weight) for each output position.
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/resize_taps.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

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

template <ResizeFilter kFilter, size_t kRank, bool kAntialias = false>
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
    const ResizeAxis resize{input.shape()[i + 2], sizes[i], scales[i], align_corners};
    if (resize.in <= 0 || resize.out <= 0) throw Error("input and output sizes must be positive");
    if (resize.in == resize.out && (scales[i] == 0 || scales[i] == 1)) continue;
    const Taps taps = kAntialias ? antialiasing_taps(resize, kFilter) : resize_taps(resize, kFilter);
    result = resize_dim(result, static_cast<int64_t>(i) + 2, taps);
  }
  return result.to(input.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.upsample_nearest1d.default", upsample<ResizeFilter::kNearest, 1>},
    {"aten.upsample_nearest1d.vec", upsample<ResizeFilter::kNearest, 1>},
    {"aten.upsample_nearest2d.default", upsample<ResizeFilter::kNearest, 2>},
    {"aten.upsample_nearest2d.vec", upsample<ResizeFilter::kNearest, 2>},
    {"aten.upsample_nearest3d.default", upsample<ResizeFilter::kNearest, 3>},
    {"aten.upsample_nearest3d.vec", upsample<ResizeFilter::kNearest, 3>},
    {"aten._upsample_nearest_exact1d.default", upsample<ResizeFilter::kNearestExact, 1>},
    {"aten._upsample_nearest_exact1d.vec", upsample<ResizeFilter::kNearestExact, 1>},
    {"aten._upsample_nearest_exact2d.default", upsample<ResizeFilter::kNearestExact, 2>},
    {"aten._upsample_nearest_exact2d.vec", upsample<ResizeFilter::kNearestExact, 2>},
    {"aten._upsample_nearest_exact3d.default", upsample<ResizeFilter::kNearestExact, 3>},
    {"aten._upsample_nearest_exact3d.vec", upsample<ResizeFilter::kNearestExact, 3>},
    {"aten.upsample_linear1d.default", upsample<ResizeFilter::kLinear, 1>},
    {"aten.upsample_linear1d.vec", upsample<ResizeFilter::kLinear, 1>},
    {"aten.upsample_bilinear2d.default", upsample<ResizeFilter::kLinear, 2>},
    {"aten.upsample_bilinear2d.vec", upsample<ResizeFilter::kLinear, 2>},
    {"aten.upsample_trilinear3d.default", upsample<ResizeFilter::kLinear, 3>},
    {"aten.upsample_trilinear3d.vec", upsample<ResizeFilter::kLinear, 3>},
    {"aten.upsample_bicubic2d.default", upsample<ResizeFilter::kCubic, 2>},
    {"aten.upsample_bicubic2d.vec", upsample<ResizeFilter::kCubic, 2>},
    {"aten._upsample_bilinear2d_aa.default", upsample<ResizeFilter::kLinear, 2, true>},
    {"aten._upsample_bilinear2d_aa.vec", upsample<ResizeFilter::kLinear, 2, true>},
    {"aten._upsample_bicubic2d_aa.default", upsample<ResizeFilter::kCubic, 2, true>},
    {"aten._upsample_bicubic2d_aa.vec", upsample<ResizeFilter::kCubic, 2, true>},
};

}  // namespace

std::span<const OperatorEntry> upsample_operators() { return kOperators; }

}  // namespace tinyml::evaluation
