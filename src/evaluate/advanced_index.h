#pragma once

#include <span>
#include <vector>

#include "evaluate/broadcast.h"
#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// `index` counted from the start. Throws Error if it is out of range.
int64_t checked_index(int64_t index, int64_t size);

/// The positions that x[i, :, j] names, where i and j are tensors of integers that are broadcast together; a tensor of
/// bool stands for the positions of its true elements. Inside, the indexed dimensions come first.
class AdvancedIndex {
 public:
  /// `indices`: one for each leading dimension, undefined for ":". Throws Error for positions out of range.
  AdvancedIndex(const Tensor& tensor, const std::vector<Tensor>& indices);

  /// The tensor with its indexed dimensions first; row-major.
  const Tensor& source() const { return source_; }
  /// Shape of what is read: the indices' common shape, then the other dimensions.
  const Sizes& shape() const { return shape_; }
  /// The same with the dimensions where Python has them: in the place of adjacent indices, else in front.
  Sizes visible_shape() const;
  /// From the order of shape() to that of visible_shape(), and back.
  Tensor restore(const Tensor& result) const;
  Tensor arrange(const Tensor& values) const;
  /// From the order of source() to that of the tensor.
  Tensor restore_source(const Tensor& source) const;

  /// Calls visit(offset in shape(), offset in source()) for every element.
  template <typename Visit>
  void for_each(Visit visit) const {
    const int64_t inner = inner_;
    for (size_t i = 0; i < offsets_.size(); ++i) {
      for (int64_t j = 0; j < inner; ++j) visit(static_cast<int64_t>(i) * inner + j, offsets_[i] * inner + j);
    }
  }

 private:
  Tensor source_;
  Sizes order_;  ///< Dimension i of source_ is dimension order_[i] of the tensor.
  Sizes shape_;
  std::vector<int64_t> offsets_;  ///< In units of inner_ elements.
  int64_t inner_ = 1;             ///< Elements of the dimensions that are not indexed.
  size_t index_rank_ = 0;         ///< Dimensions of the indices' common shape.
  size_t place_ = 0;              ///< Where these stand among the visible dimensions.
};

/// Calls visit(i, offset) for the elements of a row-major tensor whose dimension `axis` lists `index` (row-major int64)
/// and whose others are those of `shape`: the offset of element i in a row-major tensor of `shape`. Throws Error for
/// positions out of range.
template <typename Visit>
void for_each_listed(const Sizes& shape, size_t axis, const Tensor& index, Visit visit) {
  const int64_t inner = product(std::span(shape).subspan(axis + 1));
  const int64_t outer = product(std::span(shape).first(axis));
  const auto listed = index.data<int64_t>();
  int64_t i = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t each : listed) {
      const int64_t start = (o * shape[axis] + checked_index(each, shape[axis])) * inner;
      for (int64_t at = start; at < start + inner; ++at) visit(i++, at);
    }
  }
}

/// Calls visit(offset in index, offset in a row-major tensor of `shape`) for every element of `index` (row-major
/// int64), whose value replaces the position in dimension `dim`. Throws Error for positions out of range and shapes
/// that do not fit.
template <typename Visit>
void for_each_gathered(const Sizes& shape, const Tensor& index, int64_t dim, Visit visit) {
  const Sizes& sizes = index.shape();
  const auto axis = static_cast<size_t>(dim);
  bool fits = sizes.size() == shape.size();
  for (size_t d = 0; fits && d < sizes.size(); ++d) fits = d == axis || sizes[d] <= shape[d];
  if (!fits) throw Error("the index does not fit the tensor");
  const auto values = index.data<int64_t>();
  Sizes position(sizes.size(), 0);
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t offset = 0;
    for (size_t d = 0; d < sizes.size(); ++d) {
      offset = offset * shape[d] + (d == axis ? checked_index(values[i], shape[d]) : position[d]);
    }
    visit(static_cast<int64_t>(i), sizes.empty() ? 0 : offset);
    for (size_t d = sizes.size(); d-- > 0;) {
      if (++position[d] < sizes[d]) break;
      position[d] = 0;
    }
  }
}

}  // namespace tinyml::evaluation
