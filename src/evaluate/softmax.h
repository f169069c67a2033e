#pragma once

#include <cstdint>

#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// exp(x) over its sum along a dimension.
Tensor softmax(const Tensor& tensor, int64_t dim);

}  // namespace tinyml::evaluation
