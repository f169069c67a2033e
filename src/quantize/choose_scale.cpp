#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tinyml/quantize.h"

namespace tinyml {
namespace {

constexpr float kSmallestScale = 0x1p-40f;

}  // namespace

ScaleZeroPoint choose_scale(double low, double high, const TensorScheme& scheme) {
  if (!std::isfinite(low) || !std::isfinite(high)) {
    throw Error("A range to quantize is not finite.", "look for overflow or NaN in the values it was observed on");
  }
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  const double quant_min = static_cast<double>(scheme.quant_min);
  const double quant_max = static_cast<double>(scheme.quant_max);
  if (scheme.symmetric) {
    const double scale = std::max(-low, high) / std::min(-quant_min, quant_max);
    return {std::max(static_cast<float>(scale), kSmallestScale), 0};
  }
  const float scale = std::max(static_cast<float>((high - low) / (quant_max - quant_min)), kSmallestScale);
  const double zero_point = std::nearbyint(quant_min - low / static_cast<double>(scale));
  return {scale, static_cast<int32_t>(std::clamp(zero_point, quant_min, quant_max))};
}

std::vector<float> choose_weight_scales(const Tensor& weight, int64_t axis, const TensorScheme& scheme) {
  const Tensor values = weight.to(ScalarType::kFloat32);
  const std::span<const float> data = values.data<float>();
  const size_t channels = axis < 0 ? 1 : static_cast<size_t>(values.size(axis));
  size_t inner = 1;
  for (int64_t dim = axis + 1; axis >= 0 && dim < values.rank(); ++dim) inner *= static_cast<size_t>(values.size(dim));
  std::vector<double> low(channels, 0.0);
  std::vector<double> high(channels, 0.0);
  for (size_t i = 0; i < data.size(); ++i) {
    const size_t channel = axis < 0 ? 0 : i / inner % channels;
    const double value = static_cast<double>(data[i]);
    if (!std::isfinite(value))
      throw Error("A weight to quantize is not finite.",
                  "look for NaN or infinity in the model's weights and constants");
    low[channel] = std::min(low[channel], value);
    high[channel] = std::max(high[channel], value);
  }
  TensorScheme symmetric = scheme;
  symmetric.symmetric = true;
  std::vector<float> scales(channels);
  const bool own_ranges = axis >= 0 && !scheme.channel_ranges.empty();
  if (own_ranges && scheme.channel_ranges.size() != channels) {
    throw Error(fmt::format("The scheme has ranges for {} channels, the weight has {}.", scheme.channel_ranges.size(),
                            channels));
  }
  for (size_t i = 0; i < channels; ++i) {
    if (own_ranges) {
      symmetric.quant_min = scheme.channel_ranges[i].low;
      symmetric.quant_max = scheme.channel_ranges[i].high;
    }
    scales[i] = choose_scale(low[i], high[i], symmetric).scale;
  }
  return scales;
}

}  // namespace tinyml
