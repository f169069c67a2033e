#pragma once

#include <cstdint>

#include "tinyml/tflite_ops.h"

namespace tinyml::lowering {

/// The most dimensions that LiteRT's kernels and its default delegate take for an operator (measured with LiteRT 2.3:
/// above them it refuses the file, or aborts).
int64_t most_dimensions(tflite::Op op);

}  // namespace tinyml::lowering
