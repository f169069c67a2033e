#include "evaluate/view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace tinyml::evaluation {
namespace {

Sizes natural_order(int64_t rank) {
  Sizes order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

Tensor slice(const Tensor& tensor, int64_t dim, int64_t start, int64_t end, int64_t step) {
  if (tensor.rank() == 0) throw Error("a tensor of rank 0 cannot be sliced");
  if (step <= 0) throw Error(fmt::format("slice step {} is not positive", step));
  const auto axis = static_cast<size_t>(normalize_dim(dim, tensor.rank()));
  const int64_t size = tensor.shape()[axis];
  const auto position = [size](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  start = position(start);
  end = std::max(position(end), start);
  Sizes shape = tensor.shape();
  Sizes strides = tensor.strides();
  shape[axis] = (end - start) / step + ((end - start) % step != 0 ? 1 : 0);
  const int64_t offset = tensor.offset() + (shape[axis] == 0 ? 0 : start * strides[axis]);
  if (shape[axis] > 1) strides[axis] *= step;
  return Tensor(tensor.type(), std::move(shape), std::move(strides), offset, tensor.storage());
}

Tensor select(const Tensor& tensor, int64_t dim, int64_t index) {
  if (tensor.rank() == 0) throw Error("an index of a tensor of rank 0 cannot be selected");
  const auto axis = static_cast<size_t>(normalize_dim(dim, tensor.rank()));
  const int64_t size = tensor.shape()[axis];
  if (index < -size || index >= size) throw Error(fmt::format("index {} is out of range for size {}", index, size));
  Sizes shape = tensor.shape();
  Sizes strides = tensor.strides();
  const int64_t offset = tensor.offset() + (index < 0 ? index + size : index) * strides[axis];
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(axis));
  return Tensor(tensor.type(), std::move(shape), std::move(strides), offset, tensor.storage());
}

Tensor diagonal(const Tensor& self, int64_t shift, int64_t dim1, int64_t dim2) {
  const auto first = static_cast<size_t>(normalize_dim(dim1, self.rank()));
  const auto second = static_cast<size_t>(normalize_dim(dim2, self.rank()));
  if (first == second) throw Error("diagonal: two different dimensions are expected");
  const int64_t row = std::max<int64_t>(-shift, 0);
  const int64_t column = std::max<int64_t>(shift, 0);
  const int64_t length = std::max<int64_t>(std::min(self.shape()[first] - row, self.shape()[second] - column), 0);
  Sizes shape;
  Sizes strides;
  for (size_t i = 0; i < self.shape().size(); ++i) {
    if (i == first || i == second) continue;
    shape.push_back(self.shape()[i]);
    strides.push_back(self.strides()[i]);
  }
  shape.push_back(length);
  strides.push_back(self.strides()[first] + self.strides()[second]);
  const int64_t start = length == 0 ? 0 : row * self.strides()[first] + column * self.strides()[second];
  return Tensor(self.type(), std::move(shape), std::move(strides), self.offset() + start, self.storage());
}

Tensor reversed(const Tensor& tensor, int64_t dim) {
  Sizes indices(static_cast<size_t>(tensor.size(dim)));
  std::iota(indices.rbegin(), indices.rend(), 0);
  return tensor.index_select(dim, indices);
}

Tensor unsqueeze(const Tensor& tensor, int64_t dim) {
  const int64_t axis = normalize_dim(dim, tensor.rank() + 1);
  Sizes shape = tensor.shape();
  Sizes strides = tensor.strides();
  shape.insert(shape.begin() + axis, 1);
  strides.insert(strides.begin() + axis, 1);
  return Tensor(tensor.type(), std::move(shape), std::move(strides), tensor.offset(), tensor.storage());
}

Tensor transpose(const Tensor& tensor, int64_t dim0, int64_t dim1) {
  const auto first = static_cast<size_t>(normalize_dim(dim0, tensor.rank()));
  const auto second = static_cast<size_t>(normalize_dim(dim1, tensor.rank()));
  if (tensor.rank() == 0) return tensor;
  Sizes order = natural_order(tensor.rank());
  std::swap(order[first], order[second]);
  return tensor.permuted(order);
}

Tensor reshape(const Tensor& tensor, Sizes shape) {
  const auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end()) {
    *unknown = 1;
    const int64_t known = product(shape);
    *unknown = known > 0 ? tensor.numel() / known : 0;
  }
  const bool valid = std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size >= 0; });
  if (!valid || product(shape) != tensor.numel()) {
    throw Error(
        fmt::format("shape [{}] cannot be viewed as [{}]", fmt::join(tensor.shape(), ", "), fmt::join(shape, ", ")));
  }
  return tensor.reshaped(std::move(shape));
}

Tensor move_to_end(const Tensor& tensor, int64_t dim) {
  if (tensor.rank() == 0) return tensor;
  Sizes order = natural_order(tensor.rank());
  const auto from = order.begin() + normalize_dim(dim, tensor.rank());
  std::rotate(from, from + 1, order.end());
  return tensor.permuted(order);
}

Tensor move_from_end(const Tensor& tensor, int64_t dim) {
  if (tensor.rank() == 0) return tensor;
  Sizes order = natural_order(tensor.rank());
  const auto to = order.begin() + normalize_dim(dim, tensor.rank());
  std::rotate(to, order.end() - 1, order.end());
  return tensor.permuted(order);
}

Tensor concatenate(std::span<const Tensor> tensors, int64_t dim) {
  TINYML_CHECK(!tensors.empty());
  const auto axis = static_cast<size_t>(normalize_dim(dim, tensors[0].rank()));
  Sizes shape = tensors[0].shape();
  shape[axis] = 0;
  for (const Tensor& tensor : tensors) {
    Sizes others = tensor.shape();
    const bool same_rank = others.size() == shape.size();
    if (same_rank) others[axis] = shape[axis];
    if (!same_rank || others != shape) {
      throw Error(fmt::format("shapes [{}] and [{}] cannot be joined along dimension {}",
                              fmt::join(tensors[0].shape(), ", "), fmt::join(tensor.shape(), ", "), axis));
    }
    shape[axis] += tensor.shape()[axis];
  }
  Tensor result(tensors[0].type(), shape);
  std::byte* out = result.mutable_bytes();
  const int64_t outer = product(std::span(shape).first(axis));
  const size_t inner = static_cast<size_t>(product(std::span(shape).subspan(axis + 1))) * size_of(result.type());
  const size_t row = static_cast<size_t>(shape[axis]) * inner;
  size_t column = 0;
  for (const Tensor& tensor : tensors) {
    TINYML_CHECK(tensor.type() == result.type());
    const Tensor source = tensor.contiguous();
    const size_t width = static_cast<size_t>(source.shape()[axis]) * inner;
    if (source.numel() == 0) continue;
    for (int64_t i = 0; i < outer; ++i) {
      std::memcpy(out + static_cast<size_t>(i) * row + column, source.bytes() + static_cast<size_t>(i) * width, width);
    }
    column += width;
  }
  return result;
}

}  // namespace tinyml::evaluation
