#include "tflite/layout/reshape_order.h"

#include <algorithm>

namespace tinyml::tflite {
namespace {

// Stands for a dynamic size whose example is 0 or 1: a prime that no real size is a multiple of in practice.
constexpr int64_t kDynamic = 2147483647;

bool is_dynamic(const Tensor& tensor, int axis) {
  return !tensor.shape_signature.empty() && tensor.shape_signature[static_cast<size_t>(axis)] < 0;
}

int64_t matched_size(const Tensor& tensor, int axis) {
  const int64_t size = tensor.shape[static_cast<size_t>(axis)];
  return is_dynamic(tensor, axis) && size < 2 ? kDynamic : size;
}

// Sizes that are equal in the example are equal only where both are constant or both vary.
bool matches_signature(const AxisGroup& group, const Tensor& from, const Tensor& to) {
  const auto varies = [](const std::vector<int>& axes, const Tensor& tensor) {
    return std::any_of(axes.begin(), axes.end(), [&](int axis) { return is_dynamic(tensor, axis); });
  };
  return varies(group.from, from) == varies(group.to, to);
}

std::vector<int> wide_axes(const Tensor& tensor) { return order_key(tensor, identity_order(tensor.rank())); }

// Unit axes put where they make the order a familiar one; anywhere is correct.
Order with_unit_axes(const Tensor& tensor, const Order& key) {
  for (const Order& order : {identity_order(tensor.rank()), channels_last_order(tensor.rank())}) {
    if (order_key(tensor, order) == key) return order;
  }
  Order order = key;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    if (!is_unit_axis(tensor, axis)) continue;
    const auto before = std::find(order.begin(), order.end(), axis - 1);
    order.insert(before == order.end() ? order.begin() : before + 1, axis);
  }
  return order;
}

}  // namespace

std::optional<std::vector<AxisGroup>> match_axes(const Tensor& from, const Tensor& to) {
  const std::vector<int> a = wide_axes(from);
  const std::vector<int> b = wide_axes(to);
  std::vector<AxisGroup> groups;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    AxisGroup group{{a[i]}, {b[j]}};
    int64_t left = matched_size(from, a[i++]);
    int64_t right = matched_size(to, b[j++]);
    if (left == 0 || right == 0) return std::nullopt;
    while (left != right) {
      int64_t& smaller = left < right ? left : right;
      if (left < right) {
        if (i == a.size()) return std::nullopt;
        group.from.push_back(a[i]);
      } else {
        if (j == b.size()) return std::nullopt;
        group.to.push_back(b[j]);
      }
      const int64_t factor = left < right ? matched_size(from, a[i++]) : matched_size(to, b[j++]);
      if (factor == 0 || __builtin_mul_overflow(smaller, factor, &smaller)) return std::nullopt;
    }
    if (!matches_signature(group, from, to)) return std::nullopt;
    groups.push_back(std::move(group));
  }
  if (i != a.size() || j != b.size()) return std::nullopt;
  return groups;
}

std::optional<Order> order_after_reshape(const Tensor& from, const Tensor& to, const Order& order) {
  const auto groups = match_axes(from, to);
  if (!groups) return std::nullopt;
  const Order stored = order_key(from, order);
  Order result;
  for (size_t at = 0; at < stored.size();) {
    const auto group =
        std::find_if(groups->begin(), groups->end(), [&](const AxisGroup& g) { return g.from.front() == stored[at]; });
    if (group == groups->end()) return std::nullopt;
    for (int axis : group->from) {
      if (at == stored.size() || stored[at++] != axis) return std::nullopt;
    }
    result.insert(result.end(), group->to.begin(), group->to.end());
  }
  return with_unit_axes(to, result);
}

}  // namespace tinyml::tflite
