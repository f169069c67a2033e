// Dimension orders: permutations of a tensor's logical axes.
#pragma once

#include <vector>

#include "tinyml/tflite.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {

Order identity_order(int rank);
/// N, spatial dimensions, C: {0, 2, ..., rank - 1, 1}.
Order channels_last_order(int rank);
bool is_identity(const Order& order);
bool is_permutation_of_axes(const Order& order, int rank);

/// Position of each axis: result[order[i]] = i.
Order inverse(const Order& order);

/// The values of an array with one entry a logical axis, in physical order: result[i] = values[order[i]].
template <class T>
std::vector<T> permuted(const std::vector<T>& values, const Order& order) {
  std::vector<T> result;
  result.reserve(order.size());
  for (int axis : order) result.push_back(values[static_cast<size_t>(axis)]);
  return result;
}

/// The permutation that brings data from one physical order to another: to[i] = from[result[i]].
Order permutation_between(const Order& from, const Order& to);

/// Whether an axis has size 1 for certain (a dynamic size has not).
bool is_unit_axis(const Tensor& tensor, int axis);

/// The order without its unit axes: two orders with equal keys lay the bytes out alike.
Order order_key(const Tensor& tensor, const Order& order);

/// Bytes of `element_size` permuted: data of `shape` into shape[order[0]], shape[order[1]], ...
Buffer permute_bytes(const Buffer& data, size_t element_size, const Shape& shape, const Order& order);

}  // namespace tinyml::tflite
