#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tflite/verify/checker.h"

namespace tinyml::tflite {

/// The shapes of an operator's outputs, computed from its inputs, constants and options; nothing for operators without
/// a rule here and where the shape depends on data. Throws Error when the inputs do not fit each other.
std::optional<std::vector<Shape>> infer_shapes(const Checker& checker, const Operator& op);

/// The int32 or int64 elements of a constant operand; nothing when it is not a constant.
std::optional<std::vector<int64_t>> constant_integers(const Tensor* tensor);

/// NumPy broadcasting of two shapes; throws Error when they do not fit.
Shape broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace tinyml::tflite
