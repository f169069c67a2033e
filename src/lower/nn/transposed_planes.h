// Transposed convolutions over three dimensions as ones over two, whose channels are those of several planes.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// A transposed convolution of one group, of x [N, I, D, H, W] by weights [I, O, taps] to `out` [N, O, D', H', W']. The
/// taps over height and width are spread already (dilation 1); `full` is the size of a plane before padding is cut.
struct VolumeTransposed {
  TensorId x, weights, bias;  ///< The bias may be kNoTensor.
  Sizes out, stride, padding, full;
  int64_t depth_dilation;
};

/// One TRANSPOSE_CONV for each residue of the output's depth by the stride: its channels are those of all planes that
/// such an output plane reads, so its integers are added up once and rounded once. The results are woven together.
/// CONV_3D_TRANSPOSE is float only, and slower. kNoTensor, and nothing emitted, where the model computes the weights.
TensorId transpose_stacked(Lowering& at, const VolumeTransposed& layer);

}  // namespace tinyml::lowering
