#include "tflite/layout/rearrangement.h"

#include <algorithm>
#include <numeric>

#include "tinyml/error.h"

namespace tinyml::tflite {

Rearrangement::Rearrangement(const Shape& source) : shape_(source), axes_(source.size()) {
  for (size_t axis = 0; axis < source.size(); ++axis) {
    if (source[axis] == 1) continue;
    axes_[axis].push_back(static_cast<int>(size_.size()));
    source_.push_back(static_cast<int>(size_.size()));
    size_.push_back(source[axis]);
  }
}

bool Rearrangement::reshape(const Shape& shape) {
  std::vector<int> flat;
  for (const auto& axis : axes_) flat.insert(flat.end(), axis.begin(), axis.end());
  std::vector<std::vector<int>> axes(shape.size());
  size_t at = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    int32_t open = shape[axis];
    if (open <= 0) return false;
    while (open > 1) {
      if (at == flat.size()) return false;
      const int atom = flat[at];
      const int32_t size = size_[static_cast<size_t>(atom)];
      if (size == 0) return false;
      if (open % size == 0) {
        open /= size;
        ++at;
      } else if (size % open == 0) {  // Cut the atom: its first part is the rest of this axis.
        const int rest = static_cast<int>(size_.size());
        size_[static_cast<size_t>(atom)] = open;
        size_.push_back(size / open);
        source_.insert(std::find(source_.begin(), source_.end(), atom) + 1, rest);
        flat.insert(flat.begin() + static_cast<std::ptrdiff_t>(at) + 1, rest);
        open = 1;
        ++at;
      } else {
        return false;
      }
      axes[axis].push_back(atom);
    }
  }
  if (at != flat.size()) return false;
  axes_ = std::move(axes);
  shape_ = shape;
  return true;
}

void Rearrangement::transpose(const Order& permutation) {
  TINYML_CHECK(permutation.size() == axes_.size());
  axes_ = permuted(axes_, permutation);
  shape_ = permuted(shape_, permutation);
}

Rearrangement::Runs Rearrangement::runs() const {
  std::vector<int> position(size_.size());
  for (size_t i = 0; i < source_.size(); ++i) position[static_cast<size_t>(source_[i])] = static_cast<int>(i);
  std::vector<std::vector<int>> in_result;
  for (const auto& axis : axes_) {
    for (const int atom : axis) {
      const int place = position[static_cast<size_t>(atom)];
      if (!in_result.empty() && position[static_cast<size_t>(in_result.back().back())] + 1 == place) {
        in_result.back().push_back(atom);
      } else {
        in_result.push_back({atom});
      }
    }
  }
  std::vector<int> sorted(in_result.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  const auto place_of = [&](int run) { return position[static_cast<size_t>(in_result[static_cast<size_t>(run)][0])]; };
  std::sort(sorted.begin(), sorted.end(), [&](int a, int b) { return place_of(a) < place_of(b); });
  return {permuted(in_result, sorted), inverse(sorted)};
}

Shape Rearrangement::atoms() const {
  Shape sizes;
  for (const auto& run : runs().by_source) {
    int32_t size = 1;
    for (const int atom : run) size *= size_[static_cast<size_t>(atom)];
    sizes.push_back(size);
  }
  return sizes;
}

Order Rearrangement::order() const { return runs().order; }

std::optional<AxisShuffle> axis_shuffle(const Shape& source, const Rearrangement& rearrangement) {
  if (rearrangement.shape() != source || rearrangement.moves_nothing()) return std::nullopt;
  Shape atoms = rearrangement.atoms();
  Order order = rearrangement.order();
  // Atoms in front of and behind the axis stay; what moves must be the inside of one axis.
  const auto count = static_cast<int>(order.size());
  int first = 0;
  while (order[static_cast<size_t>(first)] == first) ++first;
  int last = count - 1;
  while (order[static_cast<size_t>(last)] == last) --last;
  int64_t before = 1;
  for (int i = 0; i < first; ++i) before *= atoms[static_cast<size_t>(i)];
  int64_t inside = 1;
  for (int i = first; i <= last; ++i) inside *= atoms[static_cast<size_t>(i)];
  // The first and last atom that stay may reach into the axis: blocks of it move as a whole.
  int64_t outer = 1;
  for (size_t axis = 0; axis < source.size(); ++axis) {
    const int64_t extent = source[axis];
    const bool covers = outer <= before && before % outer == 0 && extent % (before / outer) == 0 &&
                        extent / (before / outer) % inside == 0 && extent > 1;
    if (!covers) {
      outer *= extent;
      continue;
    }
    const int64_t lead = before / outer;
    const int64_t tail = extent / lead / inside;
    Shape shape = {static_cast<int32_t>(lead)};
    Order permutation = {0};
    for (int i = first; i <= last; ++i) {
      shape.push_back(atoms[static_cast<size_t>(i)]);
      permutation.push_back(order[static_cast<size_t>(i)] - first + 1);
    }
    shape.push_back(static_cast<int32_t>(tail));
    permutation.push_back(static_cast<int>(permutation.size()));
    std::vector<int32_t> indices(static_cast<size_t>(extent));
    std::iota(indices.begin(), indices.end(), 0);
    const Buffer shuffled = permute_bytes(Buffer::of(std::move(indices)), 4, shape, permutation);
    const auto values = shuffled.as<int32_t>();
    return AxisShuffle{static_cast<int>(axis), {values.begin(), values.end()}};
  }
  return std::nullopt;
}

}  // namespace tinyml::tflite
