#include "lower/nn/spread_taps.h"

#include <cstring>

#include "lower/nn/weights.h"

namespace tinyml::lowering {
namespace {

// A dimension between those before and those after it.
struct Split {
  int64_t before = 1, taps = 1, after = 1;
};

Split split_at(const Sizes& shape, int64_t dim) {
  Split split;
  for (size_t i = 0; i < shape.size(); ++i) {
    const auto axis = static_cast<int64_t>(i);
    (axis < dim ? split.before : axis > dim ? split.after : split.taps) *= shape[i];
  }
  return split;
}

Tensor spread(const Tensor& weights, int64_t dim, int64_t dilation, int64_t size) {
  const Tensor source = weights.contiguous();
  Sizes shape = source.shape();
  const Split split = split_at(shape, dim);
  shape[static_cast<size_t>(dim)] = size;
  Tensor result(source.type(), shape);
  const size_t row = static_cast<size_t>(split.after) * size_of(source.type());
  const std::byte* from = source.bytes();
  std::byte* to = result.mutable_bytes();
  for (int64_t outer = 0; outer < split.before; ++outer) {
    for (int64_t tap = 0; tap < split.taps; ++tap) {
      std::memcpy(to + static_cast<size_t>(outer * size + tap * dilation) * row,
                  from + static_cast<size_t>(outer * split.taps + tap) * row, row);
    }
  }
  return result;
}

// Computed weights: each tap followed by dilation - 1 zeros, then cut or padded to the size.
TensorId spread_computed(Lowering& at, TensorId weights, int64_t dim, int64_t dilation, int64_t size) {
  Sizes shape = at.shape(weights);
  const Split split = split_at(shape, dim);
  shape[static_cast<size_t>(dim)] = size;
  TensorId x = at.reshape(weights, {split.before * split.taps, 1, split.after});
  x = at.pad(x, {0, 0, 0}, {0, dilation - 1, 0});
  const int64_t length = split.taps * dilation;
  x = at.reshape(x, {split.before, length, split.after});
  if (size < length) x = at.slice(x, {0, 0, 0}, {split.before, size, split.after});
  if (size > length) x = at.pad(x, {0, 0, 0}, {0, size - length, 0});
  return at.reshape(x, shape);
}

}  // namespace

TensorId spread_taps(Lowering& at, TensorId weights, int64_t dim, int64_t dilation, int64_t size) {
  if (at.shape(weights)[static_cast<size_t>(dim)] == size) return weights;
  const TensorId changed =
      change_weights(at, weights, [&](const Tensor& data) { return spread(data, dim, dilation, size); });
  return changed == tflite::kNoTensor ? spread_computed(at, weights, dim, dilation, size) : changed;
}

}  // namespace tinyml::lowering
