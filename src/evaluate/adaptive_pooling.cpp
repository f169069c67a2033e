// Pooling to a given output size: window i covers [floor(i * in / out), ceil((i + 1) * in / out)).
#include <limits>

#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/spatial.h"

namespace tinyml::evaluation {
namespace {

using Triple = Window::Triple;

int64_t window_start(int64_t i, int64_t in, int64_t out) { return i * in / out; }
int64_t window_end(int64_t i, int64_t in, int64_t out) { return ((i + 1) * in + out - 1) / out; }

/// Calls visit(output index, begin, end) for every window of a plane.
template <typename Visit>
void for_each_window(const Triple& in, const Triple& out, Visit visit) {
  int64_t at = 0;
  for (int64_t d = 0; d < out[0]; ++d) {
    for (int64_t h = 0; h < out[1]; ++h) {
      for (int64_t w = 0; w < out[2]; ++w) {
        const Triple index{d, h, w};
        Triple begin{};
        Triple end{};
        for (size_t i = 0; i < 3; ++i) {
          begin[i] = window_start(index[i], in[i], out[i]);
          end[i] = window_end(index[i], in[i], out[i]);
        }
        visit(at++, begin, end);
      }
    }
  }
}

template <typename Visit>
void for_each_element(const Triple& in, const Triple& begin, const Triple& end, Visit visit) {
  for (int64_t z = begin[0]; z < end[0]; ++z) {
    for (int64_t y = begin[1]; y < end[1]; ++y) {
      for (int64_t x = begin[2]; x < end[2]; ++x) visit((z * in[1] + y) * in[2] + x);
    }
  }
}

template <typename T>
void average_plane(const Triple& in, const Triple& out, const T* from, T* to) {
  for_each_window(in, out, [&](int64_t at, const Triple& begin, const Triple& end) {
    double sum = 0;
    for_each_element(in, begin, end, [&](int64_t i) { sum += static_cast<double>(from[i]); });
    const int64_t count = (end[0] - begin[0]) * (end[1] - begin[1]) * (end[2] - begin[2]);
    to[at] = static_cast<T>(sum / static_cast<double>(count));
  });
}

template <typename T>
void maximum_plane(const Triple& in, const Triple& out, const T* from, T* to, int64_t* indices) {
  for_each_window(in, out, [&](int64_t at, const Triple& begin, const Triple& end) {
    int64_t best = (begin[0] * in[1] + begin[1]) * in[2] + begin[2];
    for_each_element(in, begin, end, [&](int64_t i) {
      if (from[i] > from[best] || from[i] != from[i]) best = i;
    });
    to[at] = from[best];
    indices[at] = best;
  });
}

/// Values and indices; the latter are only filled in by the maximum.
std::vector<Tensor> pool(const OperatorCall& call, size_t rank, bool average) {
  const Tensor input = call.tensor("self");
  const SpatialTensor spatial(input, rank);
  const Triple in = spatial.sizes();
  Triple out = to_triple(call.integers("output_size", rank), 1);
  for (size_t i = 0; i < 3; ++i) {
    if (out[i] < 0) throw Error("a negative output size");
    if (in[i] == 0) throw Error("an empty input cannot be pooled");
  }
  Tensor indices(ScalarType::kInt64, average ? Sizes{0} : spatial.result_shape(out));
  Tensor values = dispatch_floating(input.type(), [&](auto zero) {
                    using T = decltype(zero);
                    const Tensor x = input.to(scalar_type_of<T>());
                    Tensor result(scalar_type_of<T>(), spatial.result_shape(out));
                    T* to = result.mutable_data<T>();
                    int64_t* index = indices.mutable_data<int64_t>();
                    for (int64_t plane = 0; plane < spatial.planes(); ++plane) {
                      const T* from = x.data<T>().data() + plane * in[0] * in[1] * in[2];
                      const int64_t at = plane * out[0] * out[1] * out[2];
                      if (average) {
                        average_plane(in, out, from, to + at);
                      } else {
                        maximum_plane(in, out, from, to + at, index + at);
                      }
                    }
                    return result;
                  }).to(input.type());
  return {std::move(values), std::move(indices)};
}

template <size_t kRank>
Tensor average(const OperatorCall& call) {
  return pool(call, kRank, true)[0];
}
template <size_t kRank>
std::vector<Tensor> maximum(const OperatorCall& call) {
  return pool(call, kRank, false);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.adaptive_avg_pool1d.default", average<1>},  {"aten.adaptive_avg_pool2d.default", average<2>},
    {"aten.adaptive_avg_pool3d.default", average<3>},  {"aten._adaptive_avg_pool2d.default", average<2>},
    {"aten._adaptive_avg_pool3d.default", average<3>}, {"aten.adaptive_max_pool1d.default", maximum<1>},
    {"aten.adaptive_max_pool2d.default", maximum<2>},  {"aten.adaptive_max_pool3d.default", maximum<3>},
};

}  // namespace

std::span<const OperatorEntry> adaptive_pooling_operators() { return kOperators; }

}  // namespace tinyml::evaluation
