#pragma once

#include <cstddef>

#include "tinyml/tensor.h"

namespace tinyml {

/// Converts `count` contiguous elements from one type to another. Throws Error for complex types.
void convert_elements(const std::byte* in, ScalarType from, std::byte* out, ScalarType to, size_t count);

}  // namespace tinyml
