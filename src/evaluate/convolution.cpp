// Convolution as a matrix product over gathered columns, computed for a few output rows at a time; depthwise
// convolution directly.
#include "evaluate/convolution.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "evaluate/matrix_multiply.h"

namespace tinyml::evaluation {
namespace {

using Triple = Window::Triple;

/// Elements of the gathered columns kept at a time: small enough for the cache, large enough for the product.
constexpr int64_t kColumnElements = 1 << 18;

Triple spatial(const Tensor& tensor) { return {tensor.size(2), tensor.size(3), tensor.size(4)}; }
int64_t count(const Triple& sizes) { return sizes[0] * sizes[1] * sizes[2]; }

/// Range [first, last) of output positions whose tap at `shift` (relative to stride * position) lies in [0, size).
struct Range {
  int64_t first;
  int64_t last;
};
Range valid_positions(int64_t shift, int64_t stride, int64_t size, int64_t positions) {
  const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  const int64_t last = size > shift ? (size - shift + stride - 1) / stride : 0;
  return {std::min(first, positions), std::clamp<int64_t>(last, std::min(first, positions), positions)};
}

/// Visits the part of an output row (at rows d, h) that each tap reaches: visit(tap, input offset of the range's first
/// element, range). Taps that lie in the padding are visited with an empty range.
template <typename Visit>
void for_each_tap(const Window& window, const Triple& in, const Triple& out, int64_t d, int64_t h, Visit visit) {
  int64_t tap = 0;
  for (int64_t kd = 0; kd < window.kernel[0]; ++kd) {
    const int64_t z = d * window.stride[0] + kd * window.dilation[0] - window.before[0];
    for (int64_t kh = 0; kh < window.kernel[1]; ++kh) {
      const int64_t y = h * window.stride[1] + kh * window.dilation[1] - window.before[1];
      const bool inside = z >= 0 && z < in[0] && y >= 0 && y < in[1];
      for (int64_t kw = 0; kw < window.kernel[2]; ++kw, ++tap) {
        const int64_t shift = kw * window.dilation[2] - window.before[2];
        const Range range = inside ? valid_positions(shift, window.stride[2], in[2], out[2]) : Range{0, 0};
        visit(tap, (z * in[1] + y) * in[2] + range.first * window.stride[2] + shift, range);
      }
    }
  }
}

template <typename T>
struct Problem {
  const Window& window;
  Triple in;
  Triple out;
  int64_t in_channels;   ///< In one group.
  int64_t out_channels;  ///< In one group.
};

/// Columns [channels * taps, rows * W] for output rows [first, first + rows).
template <typename T>
void gather_columns(const Problem<T>& p, const T* input, int64_t first, int64_t rows, T* columns) {
  const int64_t width = rows * p.out[2];
  const int64_t taps = p.window.taps();
  for (int64_t c = 0; c < p.in_channels; ++c) {
    const T* plane = input + c * count(p.in);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = first + r;
      for_each_tap(p.window, p.in, p.out, row / p.out[1], row % p.out[1],
                   [&](int64_t tap, int64_t offset, Range range) {
                     T* to = columns + (c * taps + tap) * width + r * p.out[2];
                     std::fill(to, to + range.first, T{0});
                     std::fill(to + range.last, to + p.out[2], T{0});
                     if (p.window.stride[2] == 1) {
                       std::copy(plane + offset, plane + offset + (range.last - range.first), to + range.first);
                     } else {
                       const T* from = plane + offset;
                       for (int64_t i = range.first; i < range.last; ++i, from += p.window.stride[2]) to[i] = *from;
                     }
                   });
    }
  }
}

/// One group of one image: output [out_channels, pixels] = weight [out_channels, in_channels * taps] * columns.
template <typename T>
void convolve_group(const Problem<T>& p, const T* input, const T* weight, T* output, std::vector<T>& columns) {
  const int64_t pixels = count(p.out);
  const int64_t depth = p.in_channels * p.window.taps();
  const auto weights = matrix(weight, p.out_channels, depth);
  const bool pointwise = p.window.taps() == 1 && p.in == p.out && count(p.window.stride) == 1 &&
                         std::all_of(p.window.before.begin(), p.window.before.end(), [](int64_t n) { return n == 0; });
  if (pointwise) {
    matrix(output, p.out_channels, pixels).noalias() = weights * matrix(input, depth, pixels);
    return;
  }
  const int64_t all_rows = p.out[0] * p.out[1];
  const int64_t step = std::clamp<int64_t>(kColumnElements / std::max<int64_t>(depth * p.out[2], 1), 1, all_rows);
  for (int64_t first = 0; first < all_rows; first += step) {
    const int64_t rows = std::min(step, all_rows - first);
    const int64_t width = rows * p.out[2];
    columns.resize(static_cast<size_t>(depth * width));
    gather_columns(p, input, first, rows, columns.data());
    MatrixMap<T>(output + first * p.out[2], p.out_channels, width, Eigen::OuterStride<>(pixels)).noalias() =
        weights * matrix(std::as_const(columns).data(), depth, width);
  }
}

/// One output plane from one input plane.
template <typename T>
void convolve_plane(const Problem<T>& p, const T* input, const T* weight, T* output) {
  for (int64_t row = 0; row < p.out[0] * p.out[1]; ++row) {
    T* to = output + row * p.out[2];
    for_each_tap(p.window, p.in, p.out, row / p.out[1], row % p.out[1], [&](int64_t tap, int64_t offset, Range range) {
      const T factor = weight[tap];
      const T* from = input + offset;
      const int64_t length = range.last - range.first;
      T* begin = to + range.first;
      if (p.window.stride[2] == 1) {
        for (int64_t i = 0; i < length; ++i) begin[i] += factor * from[i];
      } else {
        for (int64_t i = 0; i < length; ++i) begin[i] += factor * from[i * p.window.stride[2]];
      }
    });
  }
}

template <typename T>
void add_bias(const Tensor& bias, Tensor& result) {
  const int64_t channels = result.size(1);
  if (bias.numel() != channels) throw Error("the bias does not fit the output channels");
  const int64_t pixels = count(spatial(result));
  const T* values = bias.data<T>().data();
  T* out = result.mutable_data<T>();
  for (int64_t plane = 0; plane < result.size(0) * channels; ++plane) {
    const T value = values[plane % channels];
    for (int64_t i = 0; i < pixels; ++i) out[plane * pixels + i] += value;
  }
}

/// Adds columns [out_channels * taps, pixels of the input] into the planes they overlap.
template <typename T>
void scatter_columns(const Problem<T>& p, const T* columns, T* output) {
  const int64_t pixels = count(p.in);
  const int64_t taps = p.window.taps();
  for (int64_t c = 0; c < p.out_channels; ++c) {
    T* plane = output + c * count(p.out);
    for (int64_t row = 0; row < p.in[0] * p.in[1]; ++row) {
      for_each_tap(p.window, p.out, p.in, row / p.in[1], row % p.in[1], [&](int64_t tap, int64_t offset, Range range) {
        const T* from = columns + (c * taps + tap) * pixels + row * p.in[2];
        T* to = plane + offset;
        for (int64_t i = range.first; i < range.last; ++i, to += p.window.stride[2]) *to += from[i];
      });
    }
  }
}

}  // namespace

int64_t Window::output_size(size_t i, int64_t size) const {
  const int64_t room = size + before[i] + after[i] - dilation[i] * (kernel[i] - 1) - 1;
  if (room < 0) throw Error(fmt::format("a window of {} elements does not fit size {}", kernel[i], size));
  return room / stride[i] + 1;
}

template <typename T>
Tensor convolve(const Tensor& input, const Tensor& weight, const Tensor& bias, const Window& window, int64_t groups) {
  const int64_t batch = input.size(0);
  Problem<T> p{window, spatial(input), {}, input.size(1) / groups, weight.size(0) / groups};
  if (p.in_channels * groups != input.size(1) || p.out_channels * groups != weight.size(0) ||
      weight.size(1) != p.in_channels) {
    throw Error(fmt::format("{} input channels, {} groups and a weight of {} x {} channels do not fit", input.size(1),
                            groups, weight.size(0), weight.size(1)));
  }
  for (size_t i = 0; i < 3; ++i) p.out[i] = window.output_size(i, p.in[i]);
  Tensor result(scalar_type_of<T>(), {batch, weight.size(0), p.out[0], p.out[1], p.out[2]});
  if (result.numel() == 0) return result;
  const T* x = input.data<T>().data();
  const T* w = weight.data<T>().data();
  T* out = result.mutable_data<T>();
  std::vector<T> columns;
  for (int64_t group = 0; group < batch * groups; ++group) {
    const int64_t g = group % groups;
    const T* from = x + group * p.in_channels * count(p.in);
    T* to = out + group * p.out_channels * count(p.out);
    if (p.in_channels == 1) {
      for (int64_t o = 0; o < p.out_channels; ++o) {
        convolve_plane(p, from, w + (g * p.out_channels + o) * window.taps(), to + o * count(p.out));
      }
    } else {
      convolve_group(p, from, w + g * p.out_channels * p.in_channels * window.taps(), to, columns);
    }
  }
  if (bias.defined()) add_bias<T>(bias, result);
  return result;
}

template <typename T>
Tensor convolve_transposed(const Tensor& input, const Tensor& weight, const Tensor& bias, const Window& window,
                           int64_t groups, const Triple& output) {
  const int64_t batch = input.size(0);
  const Problem<T> p{window, spatial(input), output, input.size(1) / groups, weight.size(1)};
  if (p.in_channels * groups != input.size(1) || weight.size(0) != input.size(1)) {
    throw Error(fmt::format("{} input channels, {} groups and a weight of {} x {} channels do not fit", input.size(1),
                            groups, weight.size(0), weight.size(1)));
  }
  for (int64_t size : output) {
    if (size < 0) throw Error("the output of the transposed convolution has a negative size");
  }
  Tensor result(scalar_type_of<T>(), {batch, p.out_channels * groups, output[0], output[1], output[2]});
  if (result.numel() == 0) return result;
  const T* x = input.data<T>().data();
  const T* w = weight.data<T>().data();
  T* out = result.mutable_data<T>();
  const int64_t depth = p.out_channels * window.taps();
  Matrix<T> columns(depth, count(p.in));
  for (int64_t group = 0; group < batch * groups; ++group) {
    const auto weights = matrix(w + (group % groups) * p.in_channels * depth, p.in_channels, depth);
    columns.noalias() =
        weights.transpose() * matrix(x + group * p.in_channels * count(p.in), p.in_channels, count(p.in));
    scatter_columns(p, columns.data(), out + group * p.out_channels * count(p.out));
  }
  if (bias.defined()) add_bias<T>(bias, result);
  return result;
}

template Tensor convolve<float>(const Tensor&, const Tensor&, const Tensor&, const Window&, int64_t);
template Tensor convolve<double>(const Tensor&, const Tensor&, const Tensor&, const Window&, int64_t);
template Tensor convolve_transposed<float>(const Tensor&, const Tensor&, const Tensor&, const Window&, int64_t,
                                           const Triple&);
template Tensor convolve_transposed<double>(const Tensor&, const Tensor&, const Tensor&, const Window&, int64_t,
                                            const Triple&);

}  // namespace tinyml::evaluation
