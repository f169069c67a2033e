// Between real numbers and their int8 and int32 representations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// round-to-even(x / scale) + zero point, saturated to [-128, 127], as PyTorch's fake quantization rounds; per channel
/// along `quantized_dimension` with more than one scale. Symmetric per-channel values (weights) saturate at -127.
std::vector<int8_t> quantize_values(std::span<const float> values, const Shape& shape,
                                    const Quantization& quantization);

/// The bytes of a constant of that integer type, INT8 (as quantize_values) or INT16 (saturated to [-32768, 32767]).
Buffer quantize_constant(std::span<const float> values, const Shape& shape, const Quantization& quantization,
                         Type type);

/// The real values of an INT8 or INT16 constant.
std::vector<float> dequantize_constant(const Tensor& constant);

/// scale * (q - zero point).
std::vector<float> dequantize_values(std::span<const int8_t> values, const Shape& shape,
                                     const Quantization& quantization);

/// "_int8", "_int16": appended to the names of tensors that become integers.
inline const char* suffix_of(Type type) { return type == Type::INT16 ? "_int16" : "_int8"; }

/// Replaces -128 in an INT8 constant by -127, outside of which the kernels' weights must not be; returns whether there
/// was one.
bool clip_to_symmetric(Tensor& weights);

}  // namespace tinyml::tflite
