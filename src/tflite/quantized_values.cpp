#include "tflite/quantized_values.h"

#include <algorithm>
#include <cmath>

#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

// Elements that share one channel number, in a row.
size_t inner_size(const Shape& shape, const Quantization& quantization) {
  if (!quantization.per_channel()) return 1;
  const auto dimension = static_cast<size_t>(quantization.quantized_dimension);
  TINYML_CHECK(dimension < shape.size());
  TINYML_CHECK(static_cast<size_t>(shape[dimension]) == quantization.scale.size());
  size_t inner = 1;
  for (size_t i = dimension + 1; i < shape.size(); ++i) inner *= static_cast<size_t>(shape[i]);
  return inner;
}

}  // namespace

std::vector<int8_t> quantize_values(std::span<const float> values, const Shape& shape,
                                    const Quantization& quantization) {
  const size_t inner = inner_size(shape, quantization);
  const size_t channels = quantization.scale.size();
  const bool weights = quantization.per_channel();
  std::vector<int8_t> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / inner % channels;
    const float inverse = 1.0F / quantization.scale[c];
    const auto zero = static_cast<float>(quantization.zero_point[c]);
    const float low = weights && quantization.zero_point[c] == 0 ? -127.0F : -128.0F;
    result[i] = static_cast<int8_t>(std::clamp(std::nearbyint(values[i] * inverse + zero), low, 127.0F));
  }
  return result;
}

std::vector<float> dequantize_values(std::span<const int8_t> values, const Shape& shape,
                                     const Quantization& quantization) {
  const size_t inner = inner_size(shape, quantization);
  const size_t channels = quantization.scale.size();
  std::vector<float> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / inner % channels;
    result[i] = quantization.scale[c] * static_cast<float>(values[i] - quantization.zero_point[c]);
  }
  return result;
}

Buffer quantize_constant(std::span<const float> values, const Shape& shape, const Quantization& quantization,
                         Type type) {
  if (type == Type::INT8) return Buffer::of(quantize_values(values, shape, quantization));
  TINYML_CHECK(type == Type::INT16);
  const size_t inner = inner_size(shape, quantization);
  const size_t channels = quantization.scale.size();
  std::vector<int16_t> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / inner % channels;
    const float q =
        std::nearbyint(values[i] * (1.0F / quantization.scale[c])) + static_cast<float>(quantization.zero_point[c]);
    result[i] = static_cast<int16_t>(std::clamp(q, -32768.0F, 32767.0F));
  }
  return Buffer::of(std::move(result));
}

std::vector<float> dequantize_constant(const Tensor& constant) {
  if (constant.type == Type::INT8) {
    return dequantize_values(constant.buffer.as<int8_t>(), constant.shape, constant.quantization);
  }
  TINYML_CHECK(constant.type == Type::INT16);
  const Quantization& q = constant.quantization;
  const auto values = constant.buffer.as<int16_t>();
  const size_t inner = inner_size(constant.shape, q);
  std::vector<float> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / inner % q.scale.size();
    result[i] = q.scale[c] * static_cast<float>(values[i] - q.zero_point[c]);
  }
  return result;
}

bool clip_to_symmetric(Tensor& weights) {
  const auto values = weights.buffer.as<int8_t>();
  if (std::find(values.begin(), values.end(), int8_t{-128}) == values.end()) return false;
  std::vector<int8_t> clipped(values.begin(), values.end());
  std::replace(clipped.begin(), clipped.end(), int8_t{-128}, int8_t{-127});
  weights.buffer = Buffer::of(std::move(clipped));
  return true;
}

}  // namespace tinyml::tflite
