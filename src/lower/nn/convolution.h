#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// How a convolution's window moves: one number for each spatial dimension.
struct Window {
  Sizes stride, dilation, before, after;
};

/// Lowers conv_transpose1d, conv_transpose2d and a transposed aten.convolution.
void lower_transposed_convolution(Lowering& at);

}  // namespace tinyml::lowering
