// Fake quantization with the ranges it has: x -> (clamp(round(x / scale) + zero_point) - zero_point) * scale.
#include <algorithm>
#include <cmath>

#include "evaluate/elementwise.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

struct Levels {
  double least;
  double most;
};

Levels levels_of(const OperatorCall& call) {
  const Levels levels{call.number("quant_min"), call.number("quant_max")};
  if (levels.least > levels.most) throw Error("quant_min exceeds quant_max");
  return levels;
}

/// The nearest level; ties go to the even integer before the zero point is added.
template <typename T>
T quantize(T x, T inverse_scale, T zero_point) {
  return std::nearbyint(x * inverse_scale) + zero_point;
}

template <typename T>
T clamp_level(T level, Levels levels) {
  return std::fmin(std::fmax(level, static_cast<T>(levels.least)), static_cast<T>(levels.most));
}

/// One scale for the tensor.
Tensor fake_quantize(const Tensor& self, double scale, double zero_point, Levels levels) {
  return map_floating(self, [=](auto x) {
    using T = decltype(x);
    const auto step = static_cast<T>(scale);
    const auto zero = static_cast<T>(zero_point);
    return (clamp_level(quantize(x, 1 / step, zero), levels) - zero) * step;
  });
}

/// One scale and zero point for each index of dimension `axis`.
Tensor fake_quantize_channels(const Tensor& self, const Tensor& scale, const Tensor& zero_point, int64_t axis,
                              Levels levels) {
  axis = normalize_dim(axis, self.rank());
  if (scale.numel() != self.size(axis) || zero_point.numel() != self.size(axis)) {
    throw Error("one scale and one zero point for each index of the axis are expected");
  }
  Sizes shape(self.shape().size(), 1);
  shape[static_cast<size_t>(axis)] = self.size(axis);
  return dispatch_floating(self.type(),
                           [&](auto number) {
                             using T = decltype(number);
                             constexpr ScalarType kCompute = scalar_type_of<T>();
                             return map_elements<T, T, T>(
                                 self.to(kCompute), scale.to(kCompute).reshaped(shape),
                                 zero_point.to(kCompute).reshaped(shape), [=](T x, T step, T zero) {
                                   return (clamp_level(quantize(x, 1 / step, zero), levels) - zero) * step;
                                 });
                           })
      .to(self.type());
}

Tensor per_tensor(const OperatorCall& call) {
  return fake_quantize(call.tensor("self"), call.number("scale"), call.number("zero_point"), levels_of(call));
}

Tensor per_channel(const OperatorCall& call) {
  return fake_quantize_channels(call.tensor("self"), call.tensor("scale"), call.tensor("zero_point"),
                                call.integer("axis"), levels_of(call));
}

/// The result, and for the mask of what was not clamped, which the backward pass wants, an empty tensor.
std::vector<Tensor> without_mask(const OperatorCall& call, Tensor result) {
  if (call.wants_output(1)) throw Error("the mask of clamped elements is for the backward pass");
  return {std::move(result), Tensor(ScalarType::kBool, {0})};
}

std::vector<Tensor> per_tensor_masked(const OperatorCall& call) {
  const bool on = !call.node().has_arg("fake_quant_enabled") || call.boolean("fake_quant_enabled");
  return without_mask(call, on ? per_tensor(call) : call.tensor("self"));
}

std::vector<Tensor> per_channel_masked(const OperatorCall& call) { return without_mask(call, per_channel(call)); }

/// A learnt zero point is rounded and clamped to the levels first.
double rounded(double zero_point, Levels levels) { return clamp_level(std::nearbyint(zero_point), levels); }

Tensor learnable_per_tensor(const OperatorCall& call) {
  const Levels levels = levels_of(call);
  return fake_quantize(call.tensor("self"), call.number("scale"), rounded(call.number("zero_point"), levels), levels);
}

Tensor learnable_per_channel(const OperatorCall& call) {
  const Levels levels = levels_of(call);
  const Tensor zero_point =
      map_floating(call.tensor("zero_point").to(ScalarType::kFloat64), [&](auto x) { return rounded(x, levels); });
  return fake_quantize_channels(call.tensor("self"), call.tensor("scale"), zero_point, call.integer("axis"), levels);
}

/// Scale and zero point of a range as the fused operator chooses them: zero is a level; `symmetric` centres the levels
/// on zero unless the range lies on one side; scales below 6.1e-5 are raised to it.
struct Range {
  double scale;
  double zero_point;
};
Range choose_range(float least, float most, Levels levels, bool symmetric) {
  constexpr double kLeastScale = 6.1e-5F;
  const double steps = levels.most - levels.least;
  symmetric = symmetric && least < 0 && most > 0;
  if (symmetric) {
    const double half = std::floor(steps / 2);
    const double step = std::max(std::fabs(least / -(half + 1)), std::fabs(most / half));
    least = static_cast<float>(-step * (half + 1));
    most = static_cast<float>(step * half);
  }
  double low = std::min(least, 0.0F);
  double high = std::max(most, 0.0F);
  double scale = (high - low) / steps;
  if (static_cast<float>(scale) == 0 || std::isinf(1 / static_cast<float>(scale))) scale = 0.1;
  if (scale < kLeastScale) {
    low *= kLeastScale / scale;
    high *= kLeastScale / scale;
    scale = kLeastScale;
  }
  const bool from_low =
      std::fabs(levels.least) - std::fabs(low / scale) < std::fabs(levels.most) - std::fabs(high / scale);
  double zero_point = from_low ? levels.least - low / scale : levels.most - high / scale;
  if (symmetric) zero_point = (levels.least + levels.most) / 2;
  return {static_cast<double>(static_cast<float>(scale)), clamp_level(std::nearbyint(zero_point), levels)};
}

/// The observer stays off, whatever the graph says: the range does not change in inference. As in PyTorch the scale
/// comes from running_min and running_max at every call, not from the buffers `scale` and `zero_point`, which are only
/// written.
Tensor observed(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (!call.boolean("fake_quant_on")) return self;
  const Levels levels = levels_of(call);
  const Tensor least = call.tensor("running_min").to(ScalarType::kFloat32);
  const Tensor most = call.tensor("running_max").to(ScalarType::kFloat32);
  const int64_t count = least.numel();
  if (count == 0 || most.numel() != count) throw Error("running_min and running_max do not fit");
  Tensor scale(ScalarType::kFloat64, {count});
  Tensor zero_point(ScalarType::kFloat64, {count});
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const Range range =
        choose_range(least.data<float>()[at], most.data<float>()[at], levels, call.boolean("symmetric_quant"));
    scale.mutable_data<double>()[i] = range.scale;
    zero_point.mutable_data<double>()[i] = range.zero_point;
  }
  if (call.boolean("per_row_fake_quant")) {
    return fake_quantize_channels(self, scale, zero_point, call.integer("ch_axis"), levels);
  }
  if (count != 1) throw Error("one range for the tensor is expected");
  return fake_quantize(self, scale.data<double>()[0], zero_point.data<double>()[0], levels);
}

/// (the result, the mask for the backward pass, and in the functional form the ranges, which inference keeps)
std::vector<Tensor> observed_with_ranges(const OperatorCall& call) {
  std::vector<Tensor> results = without_mask(call, observed(call));
  for (const char* name : {"running_min", "running_max", "scale", "zero_point"}) {
    if (results.size() < call.output_count()) results.push_back(call.tensor(name));
  }
  return results;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.fake_quantize_per_tensor_affine.default", per_tensor},
    {"aten.fake_quantize_per_tensor_affine.tensor_qparams", per_tensor},
    {"aten.fake_quantize_per_channel_affine.default", per_channel},
    {"aten._fake_quantize_learnable_per_tensor_affine.default", learnable_per_tensor},
    {"aten._fake_quantize_learnable_per_channel_affine.default", learnable_per_channel},
    {"aten.fused_moving_avg_obs_fake_quant.default", observed},
    {"aten._fused_moving_avg_obs_fq_helper.default", observed_with_ranges},
    {"aten._fused_moving_avg_obs_fq_helper_functional.default", observed_with_ranges},
    {"aten._fused_moving_avg_obs_fq_helper.functional", observed_with_ranges},
    {"aten.fake_quantize_per_tensor_affine_cachemask.default", per_tensor_masked},
    {"aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams.default", per_tensor_masked},
    {"aten.fake_quantize_per_channel_affine_cachemask.default", per_channel_masked},
};

}  // namespace

std::span<const OperatorEntry> fake_quantize_operators() { return kOperators; }

}  // namespace tinyml::evaluation
