// 3-D convolutions that CONV_3D cannot compute: grouped ones by planes of the kernel, integer ones by planes stacked.
#include "lower/nn/convolution.h"
#include "lower/nn/weights.h"

namespace tinyml::lowering {

TensorId convolve_planes(Lowering& at, TensorId x, TensorId weights, TensorId bias, const Window& window,
                         const Sizes& out) {
  const Sizes order = {0, 2, 1, 3, 4};
  x = at.transpose(x, order);  // [N, D, C, H, W]: planes of the image count as further images
  const Sizes in = at.shape(x);
  const Sizes kernel = at.shape(weights);
  const Window plane{{window.stride[1], window.stride[2]}, {window.dilation[1], window.dilation[2]}, {}, {}};
  TensorId sum = tflite::kNoTensor;
  for (int64_t tap = 0; tap < kernel[2]; ++tap) {
    const Sizes begin = {0, tap * window.dilation[0], 0, 0, 0};
    const Sizes end = {in[0], begin[1] + (out[2] - 1) * window.stride[0] + 1, in[2], in[3], in[4]};
    const TensorId planes = at.strided_slice(x, begin, end, {1, window.stride[0], 1, 1, 1});
    const TensorId images = at.reshape(planes, {in[0] * out[2], in[2], in[3], in[4]});
    const TensorId tap_weights =
        reshape_weights(at, slice_weights(at, weights, 2, tap, 1), {kernel[0], kernel[1], kernel[3], kernel[4]});
    std::vector<TensorId> inputs = {images, tap_weights};
    if (tap == 0 && bias != tflite::kNoTensor) inputs.push_back(bias);
    const TensorId part = convolve_2d(at, std::move(inputs), plane, {in[0] * out[2], out[1], out[3], out[4]});
    sum = sum == tflite::kNoTensor ? part : at.binary(Op::ADD, sum, part);
  }
  return at.transpose(at.reshape(sum, {out[0], out[2], out[1], out[3], out[4]}), order);
}

namespace {

// Planes `first`, first + stride, ... of x [N, D, C, H, W], `count` for each N, as images. By RESHAPE and SLICE of a
// depth that is a multiple of the stride: STRIDED_SLICE takes several times as long.
TensorId every_plane(Lowering& at, TensorId x, int64_t first, int64_t stride, int64_t count) {
  const Sizes in = at.shape(x);
  TensorId planes = x;
  if (stride > 1) {
    TINYML_CHECK(in[1] % stride == 0);
    const int64_t steps = in[1] / stride;
    const TensorId rows = at.reshape(x, {in[0] * steps, stride, in[2], in[3], in[4]});
    planes = at.slice(rows, {0, first % stride, 0, 0, 0}, {in[0] * steps, 1, in[2], in[3], in[4]});
    planes = at.reshape(planes, {in[0], steps, in[2], in[3], in[4]});
  }
  planes = at.slice(planes, {0, first / stride, 0, 0, 0}, {in[0], count, in[2], in[3], in[4]});
  return at.reshape(planes, {in[0] * count, in[2], in[3], in[4]});
}

}  // namespace

TensorId convolve_stacked(Lowering& at, TensorId x, TensorId weights, TensorId bias, const Window& window,
                          int64_t groups, const Sizes& out) {
  const Sizes order = {0, 2, 1, 3, 4};
  x = at.transpose(x, order);  // [N, D, C, H, W]: planes of the image count as further images
  const Sizes in = at.shape(x);
  const Sizes kernel = at.shape(weights);
  const int64_t images = in[0] * out[2];
  std::vector<TensorId> planes;
  for (int64_t tap = 0; tap < kernel[2]; ++tap) {
    const TensorId tap_planes = every_plane(at, x, tap * window.dilation[0], window.stride[0], out[2]);
    planes.push_back(at.reshape(tap_planes, {images, groups, in[2] / groups, in[3], in[4]}));
  }
  const TensorId stacked = at.reshape(at.concatenate(planes, 2), {images, kernel[2] * in[2], in[3], in[4]});
  const TensorId changed = change_weights(at, weights, [&](const Tensor& data) { return data.permuted(order); });
  weights = changed == tflite::kNoTensor ? at.transpose(weights, order) : changed;
  weights = reshape_weights(at, weights, {kernel[0], kernel[2] * kernel[1], kernel[3], kernel[4]});
  std::vector<TensorId> inputs = {stacked, weights};
  if (bias != tflite::kNoTensor) inputs.push_back(bias);
  const Window plane{{window.stride[1], window.stride[2]}, {window.dilation[1], window.dilation[2]}, {}, {}};
  const TensorId y = convolve_2d(at, std::move(inputs), plane, {images, out[1], out[3], out[4]});
  return at.transpose(at.reshape(y, {out[0], out[2], out[1], out[3], out[4]}), order);
}

}  // namespace tinyml::lowering
