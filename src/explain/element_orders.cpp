#include "explain/element_orders.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace tinyml::explaining {

using Sizes = std::vector<int64_t>;

Sizes without_ones(const Sizes& sizes) {
  Sizes result;
  std::copy_if(sizes.begin(), sizes.end(), std::back_inserter(result), [](int64_t size) { return size != 1; });
  return result;
}

Sizes permuted(const Sizes& sizes, const Sizes& order) {
  Sizes result;
  for (const int64_t axis : order) result.push_back(sizes[static_cast<size_t>(axis)]);
  return result;
}

namespace {

constexpr size_t kLargestRank = 6;  // of dimensions that are not 1: 720 transpositions

// Elements behind each dimension but the first: where a reshape may cut.
Sizes cuts(const Sizes& sizes) {
  Sizes result;
  int64_t inner = 1;
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    inner *= *size;
    result.push_back(inner);
  }
  return result;
}

// Whether the dimensions of one are products of neighbouring dimensions of the other.
bool refine(const Sizes& a, const Sizes& b) {
  const Sizes x = cuts(a);
  const Sizes y = cuts(b);
  return std::includes(x.begin(), x.end(), y.begin(), y.end()) || std::includes(y.begin(), y.end(), x.begin(), x.end());
}

Sizes inverse(const Sizes& order) {
  Sizes result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return result;
}

Sizes identity(size_t rank) {
  Sizes result(rank);
  std::iota(result.begin(), result.end(), int64_t{0});
  return result;
}

// The order of those dimensions that are not 1.
Sizes channels_last(const Sizes& sizes) {
  std::vector<int64_t> place(sizes.size());
  for (size_t i = 1; i < sizes.size(); ++i) place[i] = place[i - 1] + (sizes[i - 1] != 1 ? 1 : 0);
  Sizes result;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i != 1 && sizes[i] != 1) result.push_back(place[i]);
  }
  if (sizes[1] != 1) result.push_back(place[1]);
  return result;
}

int64_t product(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

Tensor ElementOrder::restore(const std::vector<float>& stored, const Sizes& shape) const {
  return Tensor::from<float>(stored, sizes).permuted(order).contiguous().reshaped(shape);
}

std::vector<ElementOrder> find_element_orders(const Sizes& logical, const Sizes& stored) {
  std::vector<ElementOrder> found;
  if (product(logical) != product(stored)) return found;
  const Sizes own = without_ones(logical);
  const Sizes held = without_ones(stored);
  std::set<std::pair<Sizes, Sizes>> known;
  const auto add = [&](Sizes sizes, Sizes order) {
    if (known.emplace(sizes, order).second) found.push_back({std::move(sizes), std::move(order)});
  };
  const auto try_logical = [&](const Sizes& order) {  // stored as the value's dimensions in this order
    const Sizes sizes = permuted(own, order);
    if (refine(sizes, held)) add(sizes, inverse(order));
  };
  if (logical.size() > 2) try_logical(channels_last(logical));
  try_logical(identity(own.size()));
  if (own.size() <= kLargestRank) {
    Sizes order = identity(own.size());
    do {
      try_logical(order);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  if (held.size() <= kLargestRank) {
    Sizes order = identity(held.size());
    do {
      if (refine(permuted(held, order), own)) add(held, order);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return found;
}

}  // namespace tinyml::explaining
