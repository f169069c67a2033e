// What the normalisations share.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// (x - mean) / sqrt(variance + epsilon), both over the axes.
TensorId normalize(Lowering& at, TensorId x, const Sizes& axes, double epsilon);

/// A vector of one number a channel, to be broadcast along dimension 1 of tensors of that rank (2 at least).
TensorId channel_vector(Lowering& at, TensorId vector, int64_t rank);

/// x times the node's `weight` plus its `bias`, vectors of one number a channel, where it has them.
TensorId channel_affine(Lowering& at, TensorId x);

/// Refuses a node that is read for more than its first output: statistics that only training wants.
void refuse_statistics(const Lowering& at);

}  // namespace tinyml::lowering
