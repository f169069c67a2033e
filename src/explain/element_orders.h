// In which order a file may hold a tensor's elements.
#pragma once

#include <cstdint>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::explaining {

/// The sizes that are not 1.
std::vector<int64_t> without_ones(const std::vector<int64_t>& sizes);

/// Dimension i of the result is dimension order[i].
std::vector<int64_t> permuted(const std::vector<int64_t>& sizes, const std::vector<int64_t>& order);

/// A bijection between a value's elements and those of a tensor with as many, given as a reshape and a transposition.
struct ElementOrder {
  std::vector<int64_t> sizes;  ///< What the stored elements are seen as.
  std::vector<int64_t> order;  ///< Dimensions of `sizes` that then make the value's, but for a reshape.

  /// Stored elements -> the value of these sizes.
  Tensor restore(const std::vector<float>& stored, const std::vector<int64_t>& shape) const;
};

/// The orders in which a tensor of shape `stored` may hold a value of shape `logical`: all transpositions of the
/// value's dimensions of which the stored ones are products or factors, and all of the stored dimensions of which the
/// value's are. Channels last and the value's own order come first. Empty when the numbers of elements differ.
std::vector<ElementOrder> find_element_orders(const std::vector<int64_t>& logical, const std::vector<int64_t>& stored);

}  // namespace tinyml::explaining
