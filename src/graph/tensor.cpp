#include "tinyml/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <new>
#include <utility>

#include "graph/convert_elements.h"

namespace tinyml {
namespace {

// Of a shape that may still turn out to be too large: the product wraps around.
std::vector<int64_t> row_major_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  uint64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = static_cast<int64_t>(step);
    step *= static_cast<uint64_t>(std::max<int64_t>(shape[i], 1));
  }
  return strides;
}

/// Product of the sizes; throws when a size is negative or the product times 16 leaves int64.
int64_t checked_numel(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  bool overflow = false;
  for (int64_t size : shape) {
    if (size < 0) throw Error(fmt::format("negative size in tensor shape [{}]", fmt::join(shape, ", ")));
    overflow |= __builtin_mul_overflow(count, size, &count);
  }
  int64_t bytes = 0;
  overflow |= __builtin_mul_overflow(count, int64_t{16}, &bytes);
  if (overflow) throw Error(fmt::format("tensor shape [{}] is too large", fmt::join(shape, ", ")));
  return count;
}

/// Calls copy(source byte pointer) for every element in row-major order.
template <typename Visit>
void for_each_element(const Tensor& tensor, const std::byte* base, Visit visit) {
  const size_t element = size_of(tensor.type());
  const int64_t count = tensor.numel();
  std::vector<int64_t> index(tensor.shape().size(), 0);
  int64_t position = tensor.offset();
  for (int64_t i = 0; i < count; ++i) {
    visit(base + position * static_cast<int64_t>(element));
    for (size_t d = index.size(); d-- > 0;) {
      position += tensor.strides()[d];
      if (++index[d] < tensor.shape()[d]) break;
      position -= tensor.strides()[d] * tensor.shape()[d];
      index[d] = 0;
    }
  }
}

}  // namespace

Storage Storage::allocate(size_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  const size_t size = std::max<size_t>(bytes, 1);
  std::shared_ptr<void> block(::operator new(size, kAlignment), [](void* p) { ::operator delete(p, kAlignment); });
  std::memset(block.get(), 0, size);
  Storage storage;
  storage.data_ = static_cast<const std::byte*>(block.get());
  storage.size_ = bytes;
  storage.owner_ = std::move(block);
  storage.writable_ = true;
  return storage;
}

Storage Storage::view(std::shared_ptr<const void> owner, const std::byte* data, size_t bytes) {
  Storage storage;
  storage.owner_ = std::move(owner);
  storage.data_ = data;
  storage.size_ = bytes;
  return storage;
}

Tensor::Tensor(ScalarType type, std::vector<int64_t> shape)
    : defined_(true), type_(type), shape_(std::move(shape)), strides_(row_major_strides(shape_)) {
  storage_ = Storage::allocate(static_cast<size_t>(checked_numel(shape_)) * size_of(type));
}

Tensor::Tensor(ScalarType type, std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset,
               Storage storage)
    : defined_(true),
      type_(type),
      shape_(std::move(shape)),
      strides_(std::move(strides)),
      offset_(offset),
      storage_(std::move(storage)) {
  if (shape_.size() != strides_.size()) throw Error("a tensor needs one stride for each dimension");
  if (checked_numel(shape_) == 0) return;
  int64_t last = offset_;
  bool bad = offset_ < 0;
  for (size_t i = 0; i < shape_.size() && !bad; ++i) {
    int64_t extent = 0;
    bad = strides_[i] < 0 || __builtin_mul_overflow(shape_[i] - 1, strides_[i], &extent) ||
          __builtin_add_overflow(last, extent, &last);
  }
  const auto capacity = static_cast<int64_t>(storage_.size() / size_of(type));
  if (bad || last >= capacity) {
    throw Error(fmt::format("tensor of shape [{}], strides [{}] and offset {} does not fit its {} bytes of storage",
                            fmt::join(shape_, ", "), fmt::join(strides_, ", "), offset_, storage_.size()));
  }
}

int64_t Tensor::numel() const {
  int64_t count = 1;
  for (int64_t size : shape_) count *= size;
  return count;
}

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  for (size_t i = shape_.size(); i-- > 0;) {
    if (shape_[i] != 1 && strides_[i] != step) return numel() == 0;
    step *= shape_[i];
  }
  return true;
}

Tensor Tensor::contiguous() const {
  if (is_contiguous()) return *this;
  Tensor result(type_, shape_);
  std::byte* out = result.mutable_bytes();
  const size_t element = size_of(type_);
  for_each_element(*this, storage_.data(), [&](const std::byte* in) {
    std::memcpy(out, in, element);
    out += element;
  });
  return result;
}

Tensor Tensor::to(ScalarType type) const {
  if (type == type_) return contiguous();
  const Tensor source = contiguous();
  Tensor result(type, shape_);
  convert_elements(source.bytes(), type_, result.mutable_bytes(), type, static_cast<size_t>(numel()));
  return result;
}

Tensor Tensor::reshaped(std::vector<int64_t> shape) const {
  TINYML_CHECK(checked_numel(shape) == numel());
  Tensor result = contiguous();
  result.strides_ = row_major_strides(shape);
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::permuted(std::span<const int64_t> order) const {
  TINYML_CHECK(order.size() == shape_.size());
  Tensor result = *this;
  for (size_t i = 0; i < order.size(); ++i) {
    result.shape_[i] = shape_[static_cast<size_t>(order[i])];
    result.strides_[i] = strides_[static_cast<size_t>(order[i])];
  }
  return result;
}

Tensor Tensor::index_select(int64_t dim, std::span<const int64_t> indices) const {
  const auto axis = static_cast<size_t>(dim < 0 ? dim + rank() : dim);
  TINYML_CHECK(axis < shape_.size());
  const Tensor source = contiguous();
  std::vector<int64_t> shape = shape_;
  shape[axis] = static_cast<int64_t>(indices.size());
  Tensor result(type_, shape);
  size_t outer = 1;
  size_t inner = size_of(type_);
  for (size_t i = 0; i < axis; ++i) outer *= static_cast<size_t>(shape_[i]);
  for (size_t i = axis + 1; i < shape_.size(); ++i) inner *= static_cast<size_t>(shape_[i]);
  const std::byte* in = source.bytes();
  std::byte* out = result.mutable_bytes();
  for (size_t o = 0; o < outer; ++o) {
    for (int64_t index : indices) {
      TINYML_CHECK(index >= 0 && index < shape_[axis]);
      std::memcpy(out, in + (o * static_cast<size_t>(shape_[axis]) + static_cast<size_t>(index)) * inner, inner);
      out += inner;
    }
  }
  return result;
}

const std::byte* Tensor::bytes() const {
  TINYML_CHECK(defined_ && is_contiguous());
  return storage_.data() + offset_ * static_cast<int64_t>(size_of(type_));
}

std::byte* Tensor::mutable_bytes() {
  TINYML_CHECK(defined_);
  if (!storage_.is_exclusive() || !is_contiguous()) {
    Tensor copy(type_, shape_);
    auto* out = const_cast<std::byte*>(copy.storage_.data());
    const size_t element = size_of(type_);
    if (is_contiguous()) {
      if (numel() > 0) std::memcpy(out, bytes(), nbytes());
    } else {
      for_each_element(*this, storage_.data(), [&](const std::byte* in) {
        std::memcpy(out, in, element);
        out += element;
      });
    }
    *this = std::move(copy);
  }
  return const_cast<std::byte*>(storage_.data()) + offset_ * static_cast<int64_t>(size_of(type_));
}

std::vector<double> Tensor::to_doubles() const {
  const Tensor values = to(ScalarType::kFloat64);
  const auto span = values.data<double>();
  return {span.begin(), span.end()};
}

}  // namespace tinyml
