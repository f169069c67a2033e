// Reductions as functions of rows: the reduced dimensions are brought to the end, so that each result comes from
// consecutive elements.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "evaluate/dispatch.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {

/// A tensor with some dimensions moved to the end.
struct Rows {
  Tensor tensor;       ///< Row-major; kept dimensions, then reduced ones.
  int64_t length = 1;  ///< Elements of a row.
  Sizes result_shape;  ///< Of one value a row.
};

/// `dims` empty: all dimensions.
inline Rows gather_rows(const Tensor& tensor, const Sizes& dims, bool keepdim) {
  const Sizes reduced = normalize_dims(dims, tensor.rank());
  Rows rows;
  Sizes order;
  Sizes last;
  for (int64_t i = 0; i < tensor.rank(); ++i) {
    const bool is_reduced = reduced.empty() || std::find(reduced.begin(), reduced.end(), i) != reduced.end();
    (is_reduced ? last : order).push_back(i);
    if (is_reduced) rows.length *= tensor.size(i);
    if (!is_reduced || keepdim) rows.result_shape.push_back(is_reduced ? 1 : tensor.size(i));
  }
  order.insert(order.end(), last.begin(), last.end());
  rows.tensor = tensor.permuted(order).contiguous();
  return rows;
}

/// One value f(first element, length) a row; the tensor's type is In.
template <typename Out, typename In, typename F>
Tensor reduce_rows(const Rows& rows, F f) {
  Tensor result(scalar_type_of<Out>(), rows.result_shape);
  Out* out = result.mutable_data<Out>();
  const In* in = rows.tensor.data<In>().data();
  const int64_t count = result.numel();
  for (int64_t i = 0; i < count; ++i) out[i] = f(in + i * rows.length, rows.length);
  return result;
}

/// (sum |x|^p)^(1/p) of a row, with the limits for p = 0 and +-infinity.
template <typename T>
double vector_norm(const T* values, int64_t count, double p) {
  double result = p == -std::numeric_limits<double>::infinity() ? -p : 0;
  for (int64_t i = 0; i < count; ++i) {
    const double x = std::abs(static_cast<double>(values[i]));
    if (std::isinf(p)) {
      result = p > 0 ? std::max(result, x) : std::min(result, x);
    } else if (p == 0) {
      result += x != 0 ? 1 : 0;
    } else if (p == 1) {
      result += x;
    } else {
      result += p == 2 ? x * x : std::pow(x, p);
    }
  }
  if (std::isinf(p) || p == 0 || p == 1) return result;
  return p == 2 ? std::sqrt(result) : std::pow(result, 1 / p);
}

/// The positions of a row in ascending or descending order; equal elements keep their order, NaN counts as largest.
template <typename T>
void sort_positions(const T* row, int64_t* positions, int64_t length, bool descending) {
  const auto less = [](T a, T b) { return a < b || (b != b && a == a); };
  std::iota(positions, positions + length, int64_t{0});
  std::stable_sort(positions, positions + length,
                   [&](int64_t a, int64_t b) { return descending ? less(row[b], row[a]) : less(row[a], row[b]); });
}

/// Rewrites each row of one dimension: f(input row, output row, length).
template <typename Out, typename In, typename F>
Tensor map_rows(const Tensor& tensor, int64_t dim, F f) {
  const Tensor source = move_to_end(tensor, dim).contiguous();
  Tensor result(scalar_type_of<Out>(), source.shape());
  const int64_t length = source.rank() == 0 ? 1 : source.size(-1);
  const In* in = source.data<In>().data();
  Out* out = result.mutable_data<Out>();
  for (int64_t at = 0; at < source.numel(); at += length) f(in + at, out + at, length);
  return move_from_end(result, dim);
}

}  // namespace tinyml::evaluation
