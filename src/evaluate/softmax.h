#pragma once

#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// log(exp(x) / sum of exp(x) over a dimension), which is not negative; the type stays.
Tensor log_softmax(const Tensor& tensor, int64_t dim);

}  // namespace tinyml::evaluation
