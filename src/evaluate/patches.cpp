// Patches of an image as columns (im2col) and back (col2im).
#include <fmt/format.h>

#include "evaluate/convolution.h"
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/spatial.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

Window read_window(const OperatorCall& call) {
  Window window;
  window.kernel = to_triple(call.integers("kernel_size", 2), 1);
  window.stride = to_triple(call.integers("stride", 2), 1);
  window.dilation = to_triple(call.integers("dilation", 2), 1);
  window.before = window.after = to_triple(call.integers("padding", 2), 0);
  for (size_t i = 0; i < 3; ++i) {
    if (window.kernel[i] <= 0 || window.stride[i] <= 0 || window.dilation[i] <= 0) {
      throw Error("kernel size, stride and dilation must be positive");
    }
  }
  return window;
}

/// Calls visit(tap, output position, offset in the plane) for every tap that lies inside a plane of that size.
template <typename Visit>
void for_each_tap(const Window& window, int64_t height, int64_t width, Visit visit) {
  const int64_t rows = window.output_size(1, height);
  const int64_t columns = window.output_size(2, width);
  for (int64_t tap = 0; tap < window.taps(); ++tap) {
    const int64_t top = tap / window.kernel[2] * window.dilation[1] - window.before[1];
    const int64_t left = tap % window.kernel[2] * window.dilation[2] - window.before[2];
    for (int64_t i = 0; i < rows * columns; ++i) {
      const int64_t y = i / columns * window.stride[1] + top;
      const int64_t x = i % columns * window.stride[2] + left;
      if (y >= 0 && y < height && x >= 0 && x < width) visit(tap, i, y * width + x);
    }
  }
}

/// [N, C, H, W] -> [N, C * taps, positions]; the batch may be missing.
Tensor im2col(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const SpatialTensor spatial(self, 2);
  const Window window = read_window(call);
  const int64_t height = self.size(-2);
  const int64_t width = self.size(-1);
  const int64_t positions = window.output_size(1, height) * window.output_size(2, width);
  Sizes shape{self.size(-3) * window.taps(), positions};
  if (self.rank() == 4) shape.insert(shape.begin(), self.size(0));
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            const Tensor source = self.to(scalar_type_of<T>());
                            Tensor result(scalar_type_of<T>(), shape);
                            T* out = result.mutable_data<T>();
                            const T* in = source.data<T>().data();
                            for (int64_t plane = 0; plane < spatial.planes(); ++plane) {
                              for_each_tap(window, height, width, [&](int64_t tap, int64_t i, int64_t at) {
                                out[(plane * window.taps() + tap) * positions + i] = in[plane * height * width + at];
                              });
                            }
                            return result;
                          })
      .to(self.type());
}

/// [N, C * taps, positions] -> [N, C, H, W], overlapping patches added.
Tensor col2im(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Window window = read_window(call);
  const Sizes size = call.integers("output_size", 2);
  const int64_t positions = window.output_size(1, size[0]) * window.output_size(2, size[1]);
  if (self.rank() < 2 || self.rank() > 3 || self.size(-1) != positions || self.size(-2) % window.taps() != 0) {
    throw Error(fmt::format("col2im: {} positions of {} taps are expected", positions, window.taps()));
  }
  Sizes shape{self.size(-2) / window.taps(), size[0], size[1]};
  if (self.rank() == 3) shape.insert(shape.begin(), self.size(0));
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            const Tensor source = self.to(scalar_type_of<T>());
                            Tensor result(scalar_type_of<T>(), shape);
                            T* out = result.mutable_data<T>();
                            const T* in = source.data<T>().data();
                            const int64_t pixels = size[0] * size[1];
                            for (int64_t plane = 0; pixels > 0 && plane < result.numel() / pixels; ++plane) {
                              for_each_tap(window, size[0], size[1], [&](int64_t tap, int64_t i, int64_t at) {
                                out[plane * pixels + at] += in[(plane * window.taps() + tap) * positions + i];
                              });
                            }
                            return result;
                          })
      .to(self.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.im2col.default", im2col},
    {"aten.col2im.default", col2im},
};

}  // namespace

std::span<const OperatorEntry> patch_operators() { return kOperators; }

}  // namespace tinyml::evaluation
