// Inputs that the file takes unnormalised.
#pragma once

#include "lower/lowering.h"
#include "tinyml/lower.h"

namespace tinyml::lowering {

/// Adds the file's input for a model's input of that name and shape that wants (x - mean) / std, and returns the
/// tensor with the normalised values. UINT8 and INT8 inputs hold x (INT8: x - 128); with one std for all channels the
/// scale is 1 / std and the zero point the mean, rounded, and what rounding left is subtracted; else the scale is 1.
/// Throws Error for statistics that do not fit the shape, and a std that is not positive.
TensorId add_normalized_input(Lowering& at, const std::string& name, const Sizes& shape,
                              const InputStatistics& statistics);

}  // namespace tinyml::lowering
