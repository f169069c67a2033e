#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "evaluate/dispatch.h"
#include "tinyml/tensor.h"

namespace tinyml::evaluation {

using Sizes = std::vector<int64_t>;

/// Throws Error when it does not fit.
int64_t product(std::span<const int64_t> sizes);

/// Common shape of operands, as NumPy broadcasts. Throws Error when there is none.
Sizes broadcast_shapes(std::span<const Sizes> shapes);

/// A tensor of that shape without copying; dimensions of size 1 are repeated, missing leading ones added.
Tensor broadcast_to(const Tensor& tensor, const Sizes& shape);

/// How to walk row-major operands broadcast to one shape row by row; neighbouring dimensions are merged where every
/// operand allows it, so that rows are as long as possible.
class BroadcastWalk {
 public:
  /// `shape`: the common shape.
  BroadcastWalk(const Sizes& shape, std::span<const Sizes> operand_shapes);

  int64_t row_length() const { return sizes_.back(); }
  /// Step of an operand along a row: 1, or 0 where it is repeated.
  int64_t row_step(size_t operand) const { return steps_[operand].back(); }

  /// Calls visit(offset in the result, offsets in the operands) for every row.
  template <typename Visit>
  void for_each_row(Visit visit) const {
    int64_t rows = 1;
    for (size_t d = 0; d + 1 < sizes_.size(); ++d) rows *= sizes_[d];
    if (row_length() == 0) return;
    std::vector<int64_t> index(sizes_.size(), 0);
    std::vector<int64_t> offsets(steps_.size(), 0);
    for (int64_t row = 0; row < rows; ++row) {
      visit(row * row_length(), std::as_const(offsets));
      for (size_t d = sizes_.size() - 1; d-- > 0;) {
        for (size_t i = 0; i < offsets.size(); ++i) offsets[i] += steps_[i][d];
        if (++index[d] < sizes_[d]) break;
        for (size_t i = 0; i < offsets.size(); ++i) offsets[i] -= steps_[i][d] * sizes_[d];
        index[d] = 0;
      }
    }
  }

 private:
  Sizes sizes_;               ///< Merged, outermost first, at least one.
  std::vector<Sizes> steps_;  ///< One list an operand.
};

/// f(x) for each element: a row-major tensor of Out from a tensor whose type is In.
template <typename Out, typename In, typename F>
Tensor map_elements(const Tensor& tensor, F f) {
  const Tensor source = tensor.contiguous();
  Tensor result(scalar_type_of<Out>(), source.shape());
  const auto in = source.data<In>();
  Out* out = result.mutable_data<Out>();
  for (size_t i = 0; i < in.size(); ++i) out[i] = f(in[i]);
  return result;
}

/// f(x, y) for each pair of elements after broadcasting; both tensors have type In.
template <typename Out, typename In, typename F>
Tensor map_elements(const Tensor& a, const Tensor& b, F f) {
  const Tensor left = a.contiguous();
  const Tensor right = b.contiguous();
  const Sizes shapes[] = {left.shape(), right.shape()};
  const Sizes shape = broadcast_shapes(shapes);
  const BroadcastWalk walk(shape, shapes);
  Tensor result(scalar_type_of<Out>(), shape);
  const In* x_data = left.data<In>().data();
  const In* y_data = right.data<In>().data();
  Out* out_data = result.mutable_data<Out>();
  const int64_t length = walk.row_length();
  const bool x_moves = walk.row_step(0) != 0;
  const bool y_moves = walk.row_step(1) != 0;
  walk.for_each_row([&](int64_t at, const std::vector<int64_t>& offsets) {
    const In* x = x_data + offsets[0];
    const In* y = y_data + offsets[1];
    Out* out = out_data + at;
    if (x_moves && y_moves) {
      for (int64_t i = 0; i < length; ++i) out[i] = f(x[i], y[i]);
    } else if (x_moves) {
      const In second = y[0];
      for (int64_t i = 0; i < length; ++i) out[i] = f(x[i], second);
    } else {
      const In first = x[0];
      for (int64_t i = 0; i < length; ++i) out[i] = f(first, y[y_moves ? i : 0]);
    }
  });
  return result;
}

/// f(x, y, z) for each triple of elements after broadcasting; x has type First, y and z have type In.
template <typename Out, typename First, typename In, typename F>
Tensor map_elements(const Tensor& a, const Tensor& b, const Tensor& c, F f) {
  const Tensor tensors[] = {a.contiguous(), b.contiguous(), c.contiguous()};
  const Sizes shapes[] = {a.shape(), b.shape(), c.shape()};
  const Sizes shape = broadcast_shapes(shapes);
  const BroadcastWalk walk(shape, shapes);
  Tensor result(scalar_type_of<Out>(), shape);
  const First* x = tensors[0].data<First>().data();
  const In* y = tensors[1].data<In>().data();
  const In* z = tensors[2].data<In>().data();
  Out* out = result.mutable_data<Out>();
  const int64_t length = walk.row_length();
  walk.for_each_row([&](int64_t at, const std::vector<int64_t>& offsets) {
    for (int64_t i = 0; i < length; ++i) {
      out[at + i] = f(x[offsets[0] + i * walk.row_step(0)], y[offsets[1] + i * walk.row_step(1)],
                      z[offsets[2] + i * walk.row_step(2)]);
    }
  });
  return result;
}

}  // namespace tinyml::evaluation
