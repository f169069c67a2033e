#pragma once

#include <optional>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The contents of the only output of an operator whose inputs are all constants (of SHAPE: whose input has a shape
/// that is known); nullopt where no evaluate_*.h knows the operator. `dequantize`: DEQUANTIZE is evaluated too.
std::optional<Buffer> evaluate_operator(const Editor& editor, const Operator& op, bool dequantize);

}  // namespace tinyml::tflite
