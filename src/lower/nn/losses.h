// What the losses share.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// Sets the node's output to the losses, their sum or their mean, as its argument `reduction` says (0, 2, 1).
void reduce_loss(Lowering& at, TensorId losses);

/// log(1 + exp(x)) without overflow: max(x, 0) + log(1 + exp(-|x|)).
TensorId softplus(Lowering& at, TensorId x);

}  // namespace tinyml::lowering
