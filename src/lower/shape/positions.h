// Positions of elements: numbers known now, or a tensor of the model. Arithmetic on known ones costs nothing.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

struct Positions {
  Sizes shape;
  bool is_known = false;
  Sizes values;                         ///< In row-major order, when known.
  TensorId tensor = tflite::kNoTensor;  ///< INT32, otherwise.

  int64_t count() const;
};

/// The positions that a value of the graph holds. Negative ones count from the end of `length` elements where
/// `may_be_negative`.
Positions read_positions(Lowering& at, ValueId value, int64_t length, bool may_be_negative);
Positions known_positions(Sizes values, Sizes shape);
/// Where a mask that is known holds: one list of positions for each of its dimensions.
std::vector<Positions> positions_of_mask(const Tensor& mask);

Positions multiply(Lowering& at, const Positions& a, int64_t factor);
Positions add(Lowering& at, const Positions& a, const Positions& b);  ///< Broadcasts.
Positions reshape(Lowering& at, Positions a, const Sizes& shape);
/// As a tensor, a constant when known.
TensorId to_tensor(Lowering& at, const Positions& positions);

/// In a row-major tensor of `sizes`: the elements of the listed dimensions, which are the leading ones.
Positions flatten(Lowering& at, const std::vector<Positions>& dims, const Sizes& sizes);
/// Flat positions of an element-wise index: `index` along `axis`, its own coordinates along the others; a dimension of
/// `sizes` that is 1 is broadcast. `shape` is the result's.
Positions along_axis(Lowering& at, const Positions& index, int64_t axis, const Sizes& sizes, const Sizes& shape);

/// The elements at flat positions; their shape is the positions'.
TensorId pick(Lowering& at, TensorId x, const Positions& flat);

int64_t element_count(const Sizes& sizes);
Sizes row_major_strides(const Sizes& sizes);

}  // namespace tinyml::lowering
