// What max and average pooling share: windows over the last one or two dimensions.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// A pooling node as one over [N, C, H, W]; a 1-D pooling runs over one row.
struct Pooling {
  TensorId x;                               ///< [N, C, H, W]
  Sizes in, out;                            ///< {H, W}
  Sizes kernel, stride, dilation, padding;  ///< {rows, columns}
  Sizes after;  ///< Padding at the end that the last window reaches into; at least 0, more than `padding` under
                ///< ceil_mode.

  Sizes output_shape(const Lowering& at) const;
};

/// Reads the arguments kernel_size, stride, padding, dilation of a pooling over `spatial` (1 or 2) dimensions.
Pooling read_pooling(Lowering& at, size_t spatial);

/// x padded as the pooling says.
TensorId pad_pooling(Lowering& at, const Pooling& pooling, double value);

tflite::Pool2DOptions pool_options(const Pooling& pooling);

}  // namespace tinyml::lowering
