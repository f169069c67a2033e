#pragma once

#include <optional>
#include <vector>

#include "tflite/passes/editor.h"
#include "tflite/verify/checker.h"

namespace tinyml::tflite {

/// Like infer_shapes, and the shapes that operands or signatures say: of RESHAPE, SQUEEZE, EXPAND_DIMS, STRIDED_SLICE,
/// TILE, BROADCAST_TO, FILL, RANGE, SELECT, ONE_HOT, ... nullopt where they depend on data. Throws Error where the
/// inputs do not fit each other.
std::optional<std::vector<Shape>> infer_dynamic_shapes(const Editor& editor, const Checker& checker,
                                                       const Operator& op);

}  // namespace tinyml::tflite
