#include "evaluate/advanced_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tinyml::evaluation {
namespace {

/// For each dimension of a bool tensor the positions of its true elements.
std::vector<Tensor> true_positions(const Tensor& mask) {
  const Tensor source = mask.contiguous();
  const auto values = source.data<bool>();
  std::vector<std::vector<int64_t>> positions(mask.shape().size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    auto rest = static_cast<int64_t>(i);
    for (size_t d = positions.size(); d-- > 0; rest /= mask.shape()[d]) positions[d].push_back(rest % mask.shape()[d]);
  }
  std::vector<Tensor> result;
  for (const auto& each : positions) result.push_back(Tensor::from(each, {static_cast<int64_t>(each.size())}));
  return result;
}

/// One integer tensor, or an undefined one, for each dimension.
std::vector<Tensor> expand_masks(const Tensor& tensor, const std::vector<Tensor>& indices) {
  std::vector<Tensor> result;
  for (const Tensor& index : indices) {
    if (!index.defined() || index.type() != ScalarType::kBool) {
      result.push_back(index);
      continue;
    }
    for (size_t d = 0; d < index.shape().size(); ++d) {
      const size_t dim = result.size() + d;
      if (dim >= tensor.shape().size() || tensor.shape()[dim] != index.shape()[d]) throw Error("the mask does not fit");
    }
    for (Tensor& each : true_positions(index)) result.push_back(std::move(each));
  }
  if (result.size() > tensor.shape().size()) throw Error("more indices than dimensions");
  result.resize(tensor.shape().size());
  return result;
}

}  // namespace

int64_t checked_index(int64_t index, int64_t size) {
  if (index < -size || index >= size) throw Error(fmt::format("index {} is out of range for size {}", index, size));
  return index < 0 ? index + size : index;
}

AdvancedIndex::AdvancedIndex(const Tensor& tensor, const std::vector<Tensor>& indices) {
  const std::vector<Tensor> expanded = expand_masks(tensor, indices);
  std::vector<size_t> indexed;
  std::vector<Sizes> index_shapes;
  for (size_t d = 0; d < expanded.size(); ++d) {
    if (!expanded[d].defined()) continue;
    indexed.push_back(d);
    index_shapes.push_back(expanded[d].shape());
    order_.push_back(static_cast<int64_t>(d));
  }
  for (size_t d = 0; d < expanded.size(); ++d) {
    if (!expanded[d].defined()) order_.push_back(static_cast<int64_t>(d));
  }
  source_ = tensor.permuted(order_).contiguous();
  const Sizes common = broadcast_shapes(index_shapes);
  index_rank_ = common.size();
  const bool adjacent = !indexed.empty() && indexed.back() - indexed.front() + 1 == indexed.size();
  place_ = adjacent ? indexed.front() : 0;
  offsets_.assign(static_cast<size_t>(product(common)), 0);
  for (size_t i = 0; i < indexed.size(); ++i) {
    const int64_t size = source_.shape()[i];
    const Tensor positions = broadcast_to(expanded[indexed[i]].to(ScalarType::kInt64), common).contiguous();
    const auto values = positions.data<int64_t>();
    for (size_t j = 0; j < offsets_.size(); ++j) offsets_[j] = offsets_[j] * size + checked_index(values[j], size);
  }
  shape_ = common;
  for (size_t i = indexed.size(); i < source_.shape().size(); ++i) {
    shape_.push_back(source_.shape()[i]);
    inner_ *= source_.shape()[i];
  }
}

Tensor AdvancedIndex::restore(const Tensor& result) const {
  Sizes order;
  for (size_t i = 0; i < place_; ++i) order.push_back(static_cast<int64_t>(index_rank_ + i));
  for (size_t i = 0; i < index_rank_; ++i) order.push_back(static_cast<int64_t>(i));
  for (size_t i = index_rank_ + place_; i < shape_.size(); ++i) order.push_back(static_cast<int64_t>(i));
  return result.permuted(order);
}

Tensor AdvancedIndex::arrange(const Tensor& values) const {
  Sizes order;
  for (size_t i = 0; i < index_rank_; ++i) order.push_back(static_cast<int64_t>(place_ + i));
  for (size_t i = 0; i < shape_.size(); ++i) {
    if (i < place_ || i >= place_ + index_rank_) order.push_back(static_cast<int64_t>(i));
  }
  return values.permuted(order);
}

Sizes AdvancedIndex::visible_shape() const {
  Sizes result(shape_.begin() + static_cast<std::ptrdiff_t>(index_rank_), shape_.end());
  result.insert(result.begin() + static_cast<std::ptrdiff_t>(place_), shape_.begin(),
                shape_.begin() + static_cast<std::ptrdiff_t>(index_rank_));
  return result;
}

Tensor AdvancedIndex::restore_source(const Tensor& source) const {
  Sizes inverse(order_.size());
  for (size_t i = 0; i < order_.size(); ++i) inverse[static_cast<size_t>(order_[i])] = static_cast<int64_t>(i);
  return source.permuted(inverse).contiguous();
}

}  // namespace tinyml::evaluation
