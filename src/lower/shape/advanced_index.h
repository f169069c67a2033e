// x[i, :, j]: the lists of positions that index and index_put take.
#pragma once

#include "lower/shape/positions.h"

namespace tinyml::lowering {

/// A tensor seen with its indexed dimensions merged into one.
struct AdvancedIndex {
  Sizes order;       ///< Permutation of the tensor that brings the indexed dimensions together.
  Sizes merged;      ///< Shape after the permutation, the indexed dimensions merged.
  int64_t axis = 0;  ///< Where the merged dimension stands.
  Positions rows;    ///< Into it.
};

/// Of the argument "indices" for a tensor of that shape; masks must be known. Throws Error for others.
AdvancedIndex read_advanced_index(Lowering& at, const Sizes& shape);

/// Whether it is a single mask that is computed by the model, over the leading dimensions.
bool is_computed_mask(const Lowering& at);

}  // namespace tinyml::lowering
