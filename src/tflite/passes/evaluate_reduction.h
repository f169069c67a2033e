#pragma once

#include <optional>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The contents of the result of SUM, MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL or CUMSUM of a
/// constant along constant axes. FLOAT32 accumulates in double; of integers only the operators that cannot overflow
/// (REDUCE_MAX, REDUCE_MIN) are evaluated, and sums and products of INT32 that fit. nullopt for anything else.
std::optional<Buffer> evaluate_reduction(const Editor& editor, const Operator& op);

}  // namespace tinyml::tflite
