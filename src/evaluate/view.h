// Views of tensors: other shapes and strides over the same storage. Dimensions may be negative.
#pragma once

#include <cstdint>

#include "evaluate/broadcast.h"
#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// Indices start, start + step, ... below end of one dimension, as Python slices: negative positions count from the
/// end, positions beyond the ends are clamped. `step` must be positive.
Tensor slice(const Tensor& tensor, int64_t dim, int64_t start, int64_t end, int64_t step);

/// One index of one dimension, which disappears.
Tensor select(const Tensor& tensor, int64_t dim, int64_t index);

/// Elements (i, i + offset) of two dimensions, which disappear, in a new last one.
Tensor diagonal(const Tensor& tensor, int64_t offset, int64_t dim1, int64_t dim2);

/// The indices of one dimension from the last to the first, copied.
Tensor reversed(const Tensor& tensor, int64_t dim);

/// A new dimension of size 1 at `dim` of the result.
Tensor unsqueeze(const Tensor& tensor, int64_t dim);

/// The two dimensions exchanged.
Tensor transpose(const Tensor& tensor, int64_t dim0, int64_t dim1);

/// The same elements in row-major order; one size may be -1. Throws Error when the number of elements differs.
Tensor reshape(const Tensor& tensor, Sizes shape);

/// Dimension `dim` moved to the end, and back.
Tensor move_to_end(const Tensor& tensor, int64_t dim);
Tensor move_from_end(const Tensor& tensor, int64_t dim);

/// Tensors of one type and fitting shapes joined along a dimension; row-major.
Tensor concatenate(std::span<const Tensor> tensors, int64_t dim);

}  // namespace tinyml::evaluation
