#pragma once

#include "evaluate/broadcast.h"
#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// `value` before and after each dimension; negative amounts cut. `before` and `after` hold one amount a dimension.
Tensor pad_constant(const Tensor& tensor, const Sizes& before, const Sizes& after, double value);

}  // namespace tinyml::evaluation
