#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// The weights with the taps of one dimension `dilation` apart (zeros between them), and zeros behind them up to `size`
/// taps. Constants are rewritten; weights that the model computes are padded by operators.
TensorId spread_taps(Lowering& at, TensorId weights, int64_t dim, int64_t dilation, int64_t size);

}  // namespace tinyml::lowering
