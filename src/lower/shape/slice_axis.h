#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// [begin, begin + count) of one axis.
TensorId slice_axis(Lowering& at, TensorId x, int64_t axis, int64_t begin, int64_t count);

}  // namespace tinyml::lowering
