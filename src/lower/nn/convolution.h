#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// How a convolution's window moves: one number for each spatial dimension.
struct Window {
  Sizes stride, dilation, before, after;
};

/// A grouped convolution of x [N, C, D, H, W], padded already, with weights [O, C / groups, d, h, w] and a bias [O] or
/// kNoTensor: TFLite has none, so one grouped CONV_2D for each plane of the kernel, added up. Returns `out`'s shape.
TensorId convolve_planes(Lowering& at, TensorId x, TensorId weights, TensorId bias, const Window& window,
                         const Sizes& out);

/// The same (groups 1 or more; the padded depth a multiple of its stride) as a single CONV_2D, whose channels are those
/// of all planes that a plane of the kernel touches: its integers are added up once and rounded once, as an integer
/// layer's must be. CONV_3D is float only.
TensorId convolve_stacked(Lowering& at, TensorId x, TensorId weights, TensorId bias, const Window& window,
                          int64_t groups, const Sizes& out);

/// CONV_2D of x [N, C, H, W], padded already; `inputs` are x, weights and perhaps a bias.
TensorId convolve_2d(Lowering& at, std::vector<TensorId> inputs, const Window& window, const Sizes& out);

/// Lowers conv_transpose1d, conv_transpose2d, conv_transpose3d and a transposed aten.convolution.
void lower_transposed_convolution(Lowering& at);

}  // namespace tinyml::lowering
