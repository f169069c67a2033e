// Element-wise float operators as functions of one number.
#pragma once

#include <optional>
#include <vector>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The operator's result for each element of `values`, where it is element-wise with one input that is no constant and
/// scalar constants besides; nullopt for any other operator. `input` is the input that the values stand for.
std::optional<std::vector<double>> apply_scalar(const Editor& editor, const Operator& op, size_t input,
                                                const std::vector<double>& values);

/// ADD, SUB and MUL of two lists, element by element, with the fused activation; nullopt for any other operator.
std::optional<std::vector<double>> apply_join(const Operator& op, const std::vector<double>& a,
                                              const std::vector<double>& b);

/// The inputs that are no constants; nullopt when a constant has more than one element.
std::optional<std::vector<size_t>> computed_inputs(const Editor& editor, const Operator& op);

}  // namespace tinyml::tflite
