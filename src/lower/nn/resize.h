// What the resizing operators share.
#pragma once

#include "evaluate/resize_taps.h"
#include "lower/lowering.h"

namespace tinyml::lowering {

/// A resizing node over [N, C, H, W] or [N, C, D, H, W]; one over a sequence runs over one row.
struct Resize {
  TensorId x;
  std::vector<evaluation::ResizeAxis> axes;  ///< One for each spatial dimension.
};

Resize read_resize(Lowering& at);

/// x resized by RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR; three dimensions by their planes, then by their depth.
TensorId emit_resize(Lowering& at, const Resize& resize, Op op, const tflite::Options& options);

/// Dimension `dim` of x, of n elements, times a constant matrix: each of its `taps.size()` new elements is a sum of old
/// ones.
TensorId combine_rows(Lowering& at, TensorId x, int64_t dim, const evaluation::Taps& taps);

}  // namespace tinyml::lowering
