#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// x [..., in] times weights [out, in] plus bias [out] (or kNoTensor): [..., out].
TensorId fully_connected(Lowering& at, TensorId x, TensorId weights, TensorId bias);

/// torch.matmul of two float tensors of any rank.
TensorId matmul(Lowering& at, TensorId a, TensorId b);

}  // namespace tinyml::lowering
