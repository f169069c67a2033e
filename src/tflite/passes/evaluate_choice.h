#pragma once

#include <optional>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The contents of the result of a comparison, a logical operator, SELECT or SELECT_V2 of constants of type FLOAT32,
/// INT32, INT64 or BOOL, broadcast to the result's shape. nullopt for other operators and types.
std::optional<Buffer> evaluate_choice(const Editor& editor, const Operator& op);

}  // namespace tinyml::tflite
