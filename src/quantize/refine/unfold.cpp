#include "quantize/refine/unfold.h"

#include <algorithm>

namespace tinyml::quantization {
namespace {

/// Sizes of one convolution's input and output, as 2-d.
struct Geometry {
  int64_t batch, channels, rows, columns, out_rows, out_columns;
  int64_t positions() const { return batch * out_rows * out_columns; }
};

Geometry geometry_of(const Tensor& input, const Window& window) {
  const bool flat = input.rank() == 3;
  Geometry g{input.size(0), input.size(1), flat ? 1 : input.size(2), input.size(-1), 0, 0};
  const auto out = [&](int64_t size, size_t i) {
    return (size + 2 * window.padding[i] - window.dilation[i] * (window.kernel[i] - 1) - 1) / window.stride[i] + 1;
  };
  g.out_rows = out(g.rows, 0);
  g.out_columns = out(g.columns, 1);
  return g;
}

void fill_column(const float* data, const Geometry& g, const Window& window, int64_t position, int64_t group,
                 int64_t first, Eigen::Ref<Eigen::VectorXf> column) {
  const int64_t x = position % g.out_columns;
  const int64_t y = position / g.out_columns % g.out_rows;
  const int64_t n = position / g.out_columns / g.out_rows;
  const int64_t taps = window.kernel[0] * window.kernel[1];
  const int64_t group_channels = g.channels / window.groups;
  for (int64_t i = 0; i < column.size(); ++i) {
    const int64_t entry = first + i;
    const int64_t channel = group * group_channels + entry / taps;
    const int64_t row = y * window.stride[0] - window.padding[0] + entry % taps / window.kernel[1] * window.dilation[0];
    const int64_t col = x * window.stride[1] - window.padding[1] + entry % window.kernel[1] * window.dilation[1];
    const bool inside = row >= 0 && row < g.rows && col >= 0 && col < g.columns;
    column(i) = inside ? data[((n * g.channels + channel) * g.rows + row) * g.columns + col] : 0.0f;
  }
}

}  // namespace

Eigen::MatrixXf unfold(const std::vector<Tensor>& inputs, const Window& window, int64_t group, int64_t first,
                       int64_t count, int64_t limit) {
  const bool linear = window.kernel.empty();
  const auto positions_of = [&](const Tensor& input) {
    return linear ? input.numel() / input.size(-1) : geometry_of(input, window).positions();
  };
  int64_t total = 0;
  for (const Tensor& input : inputs) total += positions_of(input);
  const int64_t columns = std::min(total, limit);
  Eigen::MatrixXf result(count, columns);
  int64_t seen = 0;
  int64_t column = 0;
  for (const Tensor& input : inputs) {
    const int64_t end = seen + positions_of(input);
    const Tensor values = input.contiguous();
    const float* data = values.data<float>().data();
    for (; column < columns; ++column) {
      const int64_t position = column * total / columns;
      if (position >= end) break;
      if (linear) {
        const float* row = data + (position - seen) * input.size(-1) + first;
        result.col(column) = Eigen::Map<const Eigen::VectorXf>(row, count);
      } else {
        fill_column(data, geometry_of(input, window), window, position - seen, group, first, result.col(column));
      }
    }
    seen = end;
  }
  return result;
}

}  // namespace tinyml::quantization
