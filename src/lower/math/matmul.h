#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// x [..., in] times weights [out, in] plus bias [out] (or kNoTensor): [..., out].
TensorId fully_connected(Lowering& at, TensorId x, TensorId weights, TensorId bias);

/// torch.matmul of two float tensors of any rank.
TensorId matmul(Lowering& at, TensorId a, TensorId b);

/// The product of matrices in the last two dimensions, the second one's transposed under `adj_y`; the dimensions in
/// front broadcast. Matrices of `a` that share one of `b` (heads with the same keys) become one, their rows side by
/// side: that order costs nothing where projections have made them.
TensorId multiply_matrices(Lowering& at, TensorId a, TensorId b, bool adj_y);

}  // namespace tinyml::lowering
