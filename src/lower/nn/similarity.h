#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// Cosine of the angle between the vectors along an axis of the two tensors, broadcast against each other; norms below
/// epsilon count as epsilon.
TensorId cosine_similarity(Lowering& at, TensorId a, TensorId b, int64_t axis, double epsilon, bool keep_dims);

/// Norm of that order of a - b + epsilon along the last axis.
TensorId vector_distance(Lowering& at, TensorId a, TensorId b, double order, double epsilon, bool keep_dims);

}  // namespace tinyml::lowering
