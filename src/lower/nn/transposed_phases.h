// Transposed convolutions of several groups as ordinary ones.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// A transposed convolution of x [N, I, H, W] by weights [I, O / groups, taps] to `out` [N, O, H', W'], with `stride`
/// and `padding` for height and width.
struct GroupedTransposed {
  TensorId x, weights, bias;  ///< The bias may be kNoTensor.
  int64_t groups;
  Sizes out, taps, stride, padding;
};

/// One grouped CONV_2D for each phase (the outputs a stride apart), their CONCATENATION and DEPTH_TO_SPACE: TFLite's
/// TRANSPOSE_CONV has one group. kNoTensor, and nothing emitted, where the strides differ or are 1, a phase has no tap
/// or would read beyond its padding, or the weights are computed or quantized along a dimension that does not stay.
TensorId convolve_phases(Lowering& at, const GroupedTransposed& layer);

}  // namespace tinyml::lowering
