// What max and average pooling share: windows over the last one, two or three dimensions.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// A pooling node as one over [N, C, H, W] or [N, C, D, H, W]; a 1-D pooling runs over one row.
struct Pooling {
  TensorId x;                               ///< [N, C, spatial...]
  Sizes in, out;                            ///< Spatial sizes.
  Sizes kernel, stride, dilation, padding;  ///< One number for each spatial dimension.
  Sizes after;  ///< Padding at the end that the last window reaches into; at least 0, more than `padding` under
                ///< ceil_mode.

  bool is_padded() const;
  /// One window over the whole image, without padding.
  bool is_global() const;
};

/// Reads the arguments kernel_size, stride, padding, dilation of a pooling over `spatial` (1, 2 or 3) dimensions.
Pooling read_pooling(Lowering& at, size_t spatial);

/// MAX_POOL_2D or AVERAGE_POOL_2D of x padded by `value`: [N, C, out...]. Windows over three dimensions are those over
/// the planes, then those over the depth; dilated windows (of MAX_POOL_2D) are the MAXIMUM of their taps.
TensorId pool_windows(Lowering& at, const Pooling& pooling, Op op, double value);

/// The same without padding of its own, SAME's or none, over two dimensions.
TensorId pool_images(Lowering& at, TensorId x, const Pooling& pooling, Op op, tflite::Padding padding);

/// Refuses a node whose second output, the indices of the maxima, is read.
void refuse_indices(const Lowering& at);

}  // namespace tinyml::lowering
