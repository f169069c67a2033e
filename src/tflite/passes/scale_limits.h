// Which scales the integer kernels compute rightly with.
#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Whether an integer ADD, SUB, MUL, LEAKY_RELU, MEAN or QUANTIZE with these input scales and this output scale is
/// within what XNNPACK accepts (ADD and SUB: each input's over the output's in [2^-10, 2^8); MUL: their product over
/// the output's in [2^-16, 2^8); the others: [2^-8, 2^8)); beyond, the builtin kernels overflow their fixed-point
/// multipliers or abort. True for other operators, whose weights' scales make any ratio.
bool within_scale_limits(Op op, const std::vector<float>& inputs, float output);

/// Whether the products of input and weight scales fit the output's: below 2^8, where the kernels' shifts end.
bool within_weight_limits(float input, const std::vector<float>& weights, float output);

}  // namespace tinyml::tflite
