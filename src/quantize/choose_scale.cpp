#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tinyml/quantize.h"

namespace tinyml {
namespace {

constexpr float kSmallestScale = 0x1p-40f;

// Scales tried for a channel, as parts of the one that its largest weight asks for: fewer for longer rows, whose error
// depends less on luck.
constexpr float kLeastPart = 0.9f;
constexpr float kMostPart = 1.15f;
constexpr size_t kLeastScales = 8;
constexpr size_t kMostScales = 128;
constexpr size_t kMostRoundings = 16384;  // for each channel

float rounded(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction, ties to even
  return x + kShift - kShift;
}

float squared_error(std::span<const float> row, float scale, float low, float high) {
  const float inverse = 1.0f / scale;
  float error = 0.0f;
  for (const float value : row) {
    const float x = value * inverse;
    const float difference = std::clamp(rounded(x), low, high) - x;
    error += difference * difference;
  }
  return error * scale * scale;
}

// The scale near `scale` that rounds the row with the least squared error.
float least_error_scale(std::span<const float> row, float scale, const TensorScheme& scheme) {
  const size_t count = std::min(kMostScales, kMostRoundings / row.size());
  if (count < kLeastScales) return scale;
  const auto low = static_cast<float>(scheme.quant_min);
  const auto high = static_cast<float>(scheme.quant_max);
  float best = scale;
  float least = squared_error(row, scale, low, high);
  for (size_t i = 0; i < count; ++i) {
    const float part = static_cast<float>(i) / static_cast<float>(count - 1);
    const float candidate = scale * (kLeastPart + (kMostPart - kLeastPart) * part);
    const float error = squared_error(row, candidate, low, high);
    if (!(error < least)) continue;
    least = error;
    best = candidate;
  }
  return best;
}

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
  std::vector<float> row;
  for (size_t i = 0; i < channels; ++i) {
    if (own_ranges) {
      symmetric.quant_min = scheme.channel_ranges[i].low;
      symmetric.quant_max = scheme.channel_ranges[i].high;
    }
    scales[i] = choose_scale(low[i], high[i], symmetric).scale;
    if (scheme.observer != Observer::kMse || axis < 0 || scales[i] <= kSmallestScale) continue;
    row.clear();
    for (size_t begin = i * inner; begin < data.size(); begin += channels * inner) {
      const std::span<const float> run = data.subspan(begin, inner);
      row.insert(row.end(), run.begin(), run.end());
    }
    scales[i] = least_error_scale(row, scales[i], symmetric);
  }
  return scales;
}

}  // namespace tinyml
