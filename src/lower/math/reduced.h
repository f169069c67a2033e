// The dimensions that a reduction runs over.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

struct Reduced {
  TensorId x;
  Sizes axes;  ///< In [0, rank), sorted.
  bool keep_dims = false;

  /// How many elements make one of the result.
  int64_t count(const Lowering& at) const;
};

/// self, cast to `type`, with the arguments dim (all when None, empty or missing) and keepdim.
Reduced read_reduction(Lowering& at, Type type);

/// The p-norm over the axes: any order, infinities and zero included; FLOAT32.
TensorId vector_norm(Lowering& at, const Reduced& from, double order);

}  // namespace tinyml::lowering
