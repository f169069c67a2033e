#pragma once

#include <optional>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The contents of the result of an operator that only moves elements of constants: SLICE, PAD, CONCATENATION, PACK,
/// GATHER, BROADCAST_TO, TILE, of any type of whole bytes. nullopt for other operators and for attributes that are no
/// constants.
std::optional<Buffer> evaluate_movement(const Editor& editor, const Operator& op);

}  // namespace tinyml::tflite
