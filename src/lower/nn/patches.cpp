// im2col and col2im: a convolution, or a transposed one, of each channel with the unit matrix.
#include "lower/nn/convolution.h"
#include "lower/nn/spread_taps.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

struct Patches {
  Sizes kernel, dilation, padding, stride;
  int64_t taps;
};

Patches read_patches(const Lowering& at) {
  Patches patches{at.repeated("kernel_size", 2, 1), at.repeated("dilation", 2, 1), at.repeated("padding", 2, 0),
                  at.repeated("stride", 2, 1), 0};
  patches.taps = patches.kernel[0] * patches.kernel[1];
  return patches;
}

// One filter of one channel for each tap, [taps, 1, height, width].
TensorId unit_filters(Lowering& at, const Patches& patches) {
  const int64_t taps = patches.taps;
  std::vector<float> values(static_cast<size_t>(taps * taps), 0);
  for (int64_t i = 0; i < taps; ++i) values[static_cast<size_t>(i * taps + i)] = 1;
  return at.constant(std::move(values), {taps, 1, patches.kernel[0], patches.kernel[1]});
}

int64_t patch_count(int64_t in, const Patches& patches, size_t dim) {
  return (in + 2 * patches.padding[dim] - patches.dilation[dim] * (patches.kernel[dim] - 1) - 1) / patches.stride[dim] +
         1;
}

// Patches side by side are a rearrangement only: [N * C, rows, height, columns, width] with the window's axes first.
bool is_tiling(const Patches& patches, int64_t height, int64_t width) {
  return patches.stride == patches.kernel && patches.dilation == Sizes{1, 1} && patches.padding == Sizes{0, 0} &&
         height % patches.kernel[0] == 0 && width % patches.kernel[1] == 0;
}

void lower_im2col(Lowering& at) {
  const Patches patches = read_patches(at);
  const TensorId x = at.input("self", Type::FLOAT32);
  const Sizes in = at.shape(x);
  const int64_t height = in[in.size() - 2];
  const int64_t width = in.back();
  int64_t planes = 1;
  for (size_t i = 0; i + 2 < in.size(); ++i) planes *= in[i];
  const int64_t rows = patch_count(height, patches, 0);
  const int64_t columns = patch_count(width, patches, 1);
  if (is_tiling(patches, height, width)) {
    const TensorId tiles = at.reshape(x, {planes, rows, patches.kernel[0], columns, patches.kernel[1]});
    return at.set_output(at.reshape(at.transpose(tiles, {0, 2, 4, 1, 3}), at.output_sizes()));
  }
  const TensorId images =
      at.pad(at.reshape(x, {planes, 1, height, width}), {0, 0, patches.padding[0], patches.padding[1]},
             {0, 0, patches.padding[0], patches.padding[1]});
  const Window window{patches.stride, patches.dilation, {}, {}};
  const TensorId y =
      convolve_2d(at, {images, unit_filters(at, patches)}, window, {planes, patches.taps, rows, columns});
  at.set_output(at.reshape(y, at.output_sizes()));
}

void lower_col2im(Lowering& at) {
  const Patches patches = read_patches(at);
  const TensorId x = at.input("self", Type::FLOAT32);
  const Sizes out = at.output_sizes();
  const int64_t height = out[out.size() - 2];
  const int64_t width = out.back();
  int64_t planes = 1;
  for (size_t i = 0; i + 2 < out.size(); ++i) planes *= out[i];
  const int64_t rows = patch_count(height, patches, 0);
  const int64_t columns = patch_count(width, patches, 1);
  if (is_tiling(patches, height, width)) {
    const TensorId tiles = at.reshape(x, {planes, patches.kernel[0], patches.kernel[1], rows, columns});
    return at.set_output(at.reshape(at.transpose(tiles, {0, 3, 1, 4, 2}), out));
  }
  // Rows and columns at the end that no patch reaches are zeros at the kernel's end.
  TensorId weights = unit_filters(at, patches);
  Sizes full = {height + 2 * patches.padding[0], width + 2 * patches.padding[1]};
  const Sizes counts = {rows, columns};
  for (size_t i = 0; i < 2; ++i) {
    weights = spread_taps(at, weights, static_cast<int64_t>(i) + 2, patches.dilation[i],
                          full[i] - (counts[i] - 1) * patches.stride[i]);
  }
  tflite::TransposeConvOptions options;
  options.stride_h = static_cast<int32_t>(patches.stride[0]);
  options.stride_w = static_cast<int32_t>(patches.stride[1]);
  const Sizes shape = {planes, 1, full[0], full[1]};
  const TensorId images = at.reshape(x, {planes, patches.taps, rows, columns});
  const TensorId y =
      at.emit(Op::TRANSPOSE_CONV, {at.indices(shape), weights, images}, Type::FLOAT32, shape, options, true);
  const TensorId cut = at.slice(y, {0, 0, patches.padding[0], patches.padding[1]}, {planes, 1, height, width});
  at.set_output(at.reshape(cut, out));
}

}  // namespace

void register_patches(Registry& registry) {
  registry.add({"im2col.default"}, lower_im2col);
  registry.add({"col2im.default"}, lower_col2im);
}

}  // namespace tinyml::lowering
