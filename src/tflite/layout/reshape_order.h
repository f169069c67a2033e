#pragma once

#include <optional>
#include <vector>

#include "tflite/layout/order.h"

namespace tinyml::tflite {

/// A reshape as groups of axes: the axes of `from` in a group hold the same elements, in the same sequence, as its axes
/// of `to`. Unit axes belong to no group.
struct AxisGroup {
  std::vector<int> from, to;
};

/// The finest decomposition; nullopt when the sizes do not match up (dynamic sizes are matched with each other).
std::optional<std::vector<AxisGroup>> match_axes(const Tensor& from, const Tensor& to);

/// The order that `to` has when `from` is stored in `order` and no byte moves; nullopt when the reshape would then
/// move bytes, because an order tears apart or turns around the axes of a group.
std::optional<Order> order_after_reshape(const Tensor& from, const Tensor& to, const Order& order);

}  // namespace tinyml::tflite
