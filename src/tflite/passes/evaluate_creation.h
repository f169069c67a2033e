#pragma once

#include <optional>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The result of a SHAPE (of a tensor whose size is fixed), FILL, RANGE or STRIDED_SLICE of constants: what files of
/// other converters compute their shapes with. nullopt for other operators and for masks that add axes.
std::optional<Buffer> evaluate_creation(const Editor& editor, const Operator& op);

/// The shape of the result of a STRIDED_SLICE with constant attributes; nullopt for masks that add axes.
std::optional<Shape> strided_slice_shape(const Editor& editor, const Operator& op);

}  // namespace tinyml::tflite
