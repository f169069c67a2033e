// Fake quantization with gradients, as tinyml.nn.rounding computes it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace tinyml::train {

struct RoundingLimits {
  int64_t quant_min = 0;
  int64_t quant_max = 0;
};

/// clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point, times scale; the gradient passes where x is
/// not clamped. `scale` (float32) and `zero_point` (integers) have one element, or with an axis one for each of its
/// indices, the zero points 0. ATen's operators compute the same numbers and are used off the CPU; on it they take
/// about nine times as long, so there this is made of vectorized ones.
at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                         RoundingLimits limits, std::optional<int64_t> axis = std::nullopt);

}  // namespace tinyml::train
