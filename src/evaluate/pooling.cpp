// Max and average pooling over one, two or three spatial dimensions.
#include <algorithm>
#include <limits>

#include "evaluate/convolution.h"
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/spatial.h"

namespace tinyml::evaluation {
namespace {

struct Pool {
  Window window;
  bool ceil_mode = false;
  bool count_padding = true;
  int64_t divisor = 0;  ///< 0: the number of elements.
};

Pool read_pool(const OperatorCall& call, size_t rank) {
  Pool pool;
  const Sizes kernel = call.integers("kernel_size", rank);
  const Sizes stride = call.integers("stride").empty() ? kernel : call.integers("stride", rank);
  pool.window.kernel = to_triple(kernel, 1);
  pool.window.stride = to_triple(stride, 1);
  pool.window.before = pool.window.after = to_triple(call.integers("padding", rank), 0);
  if (call.node().has_arg("dilation")) pool.window.dilation = to_triple(call.integers("dilation", rank), 1);
  for (size_t i = 0; i < 3; ++i) {
    if (pool.window.kernel[i] <= 0 || pool.window.stride[i] <= 0 || pool.window.dilation[i] <= 0) {
      throw Error("kernel size, stride and dilation must be positive");
    }
    if (2 * pool.window.before[i] > pool.window.kernel[i]) throw Error("the padding exceeds half the kernel");
  }
  pool.ceil_mode = call.boolean("ceil_mode");
  if (call.node().has_arg("count_include_pad")) pool.count_padding = call.boolean("count_include_pad");
  if (!call.is_none("divisor_override")) pool.divisor = call.integer("divisor_override");
  return pool;
}

/// With ceil_mode a last, partial window counts if it starts inside the input or the padding in front.
int64_t pooled_size(const Pool& pool, size_t i, int64_t size) {
  const Window& window = pool.window;
  if (!pool.ceil_mode) return window.output_size(i, size);
  const int64_t room = size + window.before[i] + window.after[i] - window.dilation[i] * (window.kernel[i] - 1) - 1;
  const int64_t steps = std::max<int64_t>(room + window.stride[i] - 1, 0) / window.stride[i];
  const bool starts_outside = steps * window.stride[i] >= size + window.before[i];
  const int64_t result = steps + (starts_outside ? 0 : 1);
  if (result <= 0) throw Error("the pooling window does not fit the input");
  return result;
}

/// Calls visit(output index, window start in each dimension) for all output positions of a plane.
template <typename Visit>
void for_each_window(const Window& window, const Window::Triple& out, Visit visit) {
  int64_t at = 0;
  for (int64_t d = 0; d < out[0]; ++d) {
    for (int64_t h = 0; h < out[1]; ++h) {
      for (int64_t w = 0; w < out[2]; ++w) {
        visit(at++, Window::Triple{d * window.stride[0] - window.before[0], h * window.stride[1] - window.before[1],
                                   w * window.stride[2] - window.before[2]});
      }
    }
  }
}

/// Calls visit(index in the plane) for the elements of a window that lie inside.
template <typename Visit>
void for_each_element(const Window& window, const Window::Triple& in, const Window::Triple& start, Visit visit) {
  const auto end = [&](size_t i) {
    return std::min(start[i] + (window.kernel[i] - 1) * window.dilation[i] + 1, in[i]);
  };
  const auto first = [&](size_t i) {
    return start[i] >= 0 ? start[i]
                         : start[i] + (-start[i] + window.dilation[i] - 1) / window.dilation[i] * window.dilation[i];
  };
  const Window::Triple begin{first(0), first(1), first(2)};
  const Window::Triple stop{end(0), end(1), end(2)};
  for (int64_t z = begin[0]; z < stop[0]; z += window.dilation[0]) {
    for (int64_t y = begin[1]; y < stop[1]; y += window.dilation[1]) {
      for (int64_t x = begin[2]; x < stop[2]; x += window.dilation[2]) visit((z * in[1] + y) * in[2] + x);
    }
  }
}

/// Maximum and its index in the plane; NaN wins.
template <typename T>
void max_pool_plane(const Window& window, const Window::Triple& in, const Window::Triple& out, const T* input,
                    T* values, int64_t* indices) {
  for_each_window(window, out, [&](int64_t at, const Window::Triple& start) {
    T best =
        std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
    int64_t index = -1;
    for_each_element(window, in, start, [&](int64_t i) {
      if (index < 0 || input[i] > best || input[i] != input[i]) {
        best = input[i];
        index = i;
      }
    });
    values[at] = best;
    indices[at] = index;
  });
}

template <typename T>
void average_pool_plane(const Pool& pool, const Window::Triple& in, const Window::Triple& out, const T* input,
                        T* output) {
  const Window& window = pool.window;
  for_each_window(window, out, [&](int64_t at, const Window::Triple& start) {
    double sum = 0;
    int64_t count = 0;
    for_each_element(window, in, start, [&](int64_t i) {
      sum += static_cast<double>(input[i]);
      ++count;
    });
    int64_t with_padding = 1;
    for (size_t i = 0; i < 3; ++i) {
      with_padding *= std::min(start[i] + window.kernel[i], in[i] + window.after[i]) - start[i];
    }
    const int64_t divisor = pool.divisor != 0 ? pool.divisor : (pool.count_padding ? with_padding : count);
    output[at] = count == 0 ? T{0} : static_cast<T>(sum / static_cast<double>(divisor));
  });
}

/// Values and indices, the latter only if `with_indices`.
std::vector<Tensor> pool(const OperatorCall& call, size_t rank, bool average, bool with_indices) {
  const Tensor input = call.tensor("self");
  const SpatialTensor spatial(input, rank);
  const Pool settings = read_pool(call, rank);
  const Window::Triple in = spatial.sizes();
  Window::Triple out{};
  for (size_t i = 0; i < 3; ++i) out[i] = pooled_size(settings, i, in[i]);
  Tensor indices(ScalarType::kInt64, spatial.result_shape(out));
  Tensor values =
      dispatch_compute(input.type(), [&](auto zero) {
        using T = decltype(zero);
        const Tensor x = input.to(scalar_type_of<T>());
        Tensor result(scalar_type_of<T>(), spatial.result_shape(out));
        T* to = result.mutable_data<T>();
        int64_t* index = indices.mutable_data<int64_t>();
        const int64_t in_plane = in[0] * in[1] * in[2];
        const int64_t out_plane = out[0] * out[1] * out[2];
        for (int64_t plane = 0; plane < spatial.planes(); ++plane) {
          const T* from = x.data<T>().data() + plane * in_plane;
          if (average) {
            average_pool_plane(settings, in, out, from, to + plane * out_plane);
          } else {
            max_pool_plane(settings.window, in, out, from, to + plane * out_plane, index + plane * out_plane);
          }
        }
        return result;
      }).to(input.type());
  std::vector<Tensor> results{std::move(values)};
  if (with_indices) results.push_back(std::move(indices));
  return results;
}

template <size_t kRank>
Tensor max_pool(const OperatorCall& call) {
  return pool(call, kRank, false, false)[0];
}
template <size_t kRank>
std::vector<Tensor> max_pool_with_indices(const OperatorCall& call) {
  return pool(call, kRank, false, true);
}
template <size_t kRank>
Tensor average_pool(const OperatorCall& call) {
  return pool(call, kRank, true, false)[0];
}

constexpr OperatorEntry kOperators[] = {
    {"aten.max_pool1d.default", max_pool<1>},
    {"aten.max_pool2d.default", max_pool<2>},
    {"aten.max_pool3d.default", max_pool<3>},
    {"aten.max_pool1d_with_indices.default", max_pool_with_indices<1>},
    {"aten.max_pool2d_with_indices.default", max_pool_with_indices<2>},
    {"aten.max_pool3d_with_indices.default", max_pool_with_indices<3>},
    {"aten.avg_pool1d.default", average_pool<1>},
    {"aten.avg_pool2d.default", average_pool<2>},
    {"aten.avg_pool3d.default", average_pool<3>},
};

}  // namespace

std::span<const OperatorEntry> pooling_operators() { return kOperators; }

}  // namespace tinyml::evaluation
