#include "tflite/layout/order.h"

#include <cstring>
#include <numeric>

#include "tinyml/error.h"

namespace tinyml::tflite {

Order identity_order(int rank) {
  Order order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Order channels_last_order(int rank) {
  Order order = identity_order(rank);
  if (rank >= 3) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  return order;
}

bool is_identity(const Order& order) {
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != static_cast<int>(i)) return false;
  }
  return true;
}

bool is_permutation_of_axes(const Order& order, int rank) {
  if (order.size() != static_cast<size_t>(rank)) return false;
  std::vector<bool> seen(order.size(), false);
  for (int axis : order) {
    if (axis < 0 || axis >= rank || seen[static_cast<size_t>(axis)]) return false;
    seen[static_cast<size_t>(axis)] = true;
  }
  return true;
}

Order inverse(const Order& order) {
  Order result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int>(i);
  return result;
}

Order permutation_between(const Order& from, const Order& to) {
  TINYML_CHECK(from.size() == to.size());
  const Order position = inverse(from);
  return permuted(position, to);
}

bool is_unit_axis(const Tensor& tensor, int axis) {
  const auto i = static_cast<size_t>(axis);
  if (tensor.shape[i] != 1) return false;
  return tensor.shape_signature.empty() || tensor.shape_signature[i] == 1;
}

Order order_key(const Tensor& tensor, const Order& order) {
  Order key;
  for (int axis : order) {
    if (!is_unit_axis(tensor, axis)) key.push_back(axis);
  }
  return key;
}

Buffer permute_bytes(const Buffer& data, size_t element_size, const Shape& shape, const Order& order) {
  const size_t rank = shape.size();
  std::vector<size_t> strides(rank, element_size);  // Of the source, in bytes.
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * static_cast<size_t>(shape[i]);
  std::vector<std::byte> result(data.size());
  if (result.empty()) return Buffer::of(std::move(result));
  std::vector<int32_t> index(rank, 0);
  const Shape out_shape = permuted(shape, order);
  const std::vector<size_t> out_strides = permuted(strides, order);
  const size_t inner = rank == 0 ? 1 : static_cast<size_t>(out_shape[rank - 1]);
  const size_t inner_stride = rank == 0 ? element_size : out_strides[rank - 1];
  size_t source = 0;
  for (size_t target = 0; target < result.size(); target += inner * element_size) {
    for (size_t i = 0; i < inner; ++i) {
      std::memcpy(&result[target + i * element_size], data.data() + source + i * inner_stride, element_size);
    }
    for (size_t axis = rank - (rank > 0 ? 1 : 0); axis-- > 0;) {
      source += out_strides[axis];
      if (++index[axis] < out_shape[axis]) break;
      source -= out_strides[axis] * static_cast<size_t>(out_shape[axis]);
      index[axis] = 0;
    }
  }
  return Buffer::of(std::move(result));
}

}  // namespace tinyml::tflite
