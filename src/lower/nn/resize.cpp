#include "lower/nn/resize.h"

namespace tinyml::lowering {
namespace {

TensorId resize_images(Lowering& at, TensorId x, int64_t height, int64_t width, Op op, const tflite::Options& options) {
  const Sizes in = at.shape(x);
  if (in[2] == height && in[3] == width) return x;
  return at.emit(op, {x, at.indices({height, width})}, at.type(x), {in[0], in[1], height, width}, options, true);
}

}  // namespace

Resize read_resize(Lowering& at) {
  Resize resize;
  resize.x = at.input(at.node().has_arg("self") ? "self" : "input");
  Sizes in = at.shape(resize.x);
  Sizes out = at.output_sizes();
  const size_t spatial = in.size() - 2;
  std::vector<double> factors;  // given by the user, and then not recomputed from the sizes
  if (at.node().has_arg("scale_factors") && at.has("scale_factors")) {
    for (const Argument& factor : at.node().arg("scale_factors").as_list()) factors.push_back(factor.as_double());
  }
  for (const char* name : {"scales", "scales_d", "scales_h", "scales_w"}) {
    if (at.node().has_arg(name) && at.has(name)) factors.push_back(at.number(name));
  }
  factors.resize(spatial, 0);
  const bool corners = at.node().has_arg("align_corners") && at.flag("align_corners");
  for (size_t i = 0; i < spatial; ++i) resize.axes.push_back({in[i + 2], out[i + 2], factors[i], corners});
  if (spatial == 1) {
    in.insert(in.begin() + 2, 1);
    resize.axes.insert(resize.axes.begin(), {1, 1, 0, corners});
  }
  resize.x = at.reshape(resize.x, in);
  return resize;
}

TensorId emit_resize(Lowering& at, const Resize& resize, Op op, const tflite::Options& options) {
  const auto& axes = resize.axes;
  if (axes.size() == 2) return resize_images(at, resize.x, axes[0].out, axes[1].out, op, options);
  const Sizes in = at.shape(resize.x);
  const int64_t area = axes[1].out * axes[2].out;
  const TensorId planes = at.reshape(at.transpose(resize.x, {0, 2, 1, 3, 4}), {in[0] * in[2], in[1], in[3], in[4]});
  const TensorId wide = resize_images(at, planes, axes[1].out, axes[2].out, op, options);
  const TensorId columns = at.transpose(at.reshape(wide, {in[0], in[2], in[1], area}), {0, 2, 1, 3});
  const TensorId deep = resize_images(at, columns, axes[0].out, area, op, options);
  return at.reshape(deep, {in[0], in[1], axes[0].out, axes[1].out, axes[2].out});
}

TensorId combine_rows(Lowering& at, TensorId x, int64_t dim, const evaluation::Taps& taps) {
  const Sizes shape = at.shape(x);
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t in = shape[static_cast<size_t>(dim)];
  const auto out = static_cast<int64_t>(taps.size());
  std::vector<float> matrix(static_cast<size_t>(out * in), 0);
  for (size_t row = 0; row < taps.size(); ++row) {
    for (const evaluation::Tap& tap : taps[row]) {
      matrix[row * static_cast<size_t>(in) + static_cast<size_t>(tap.source)] += static_cast<float>(tap.weight);
    }
  }
  // With the channels last, the dimension is the rows of a batch of matrices.
  Sizes order = {0};
  Sizes back = {0, rank - 1};
  for (int64_t i = 2; i < rank; ++i) order.push_back(i), back.push_back(i - 1);
  order.push_back(1);
  TensorId y = at.transpose(x, order);
  Sizes last = at.shape(y);
  Sizes matrices = {1, in, 1};
  for (int64_t i = 0; i < rank; ++i) {
    if (i < dim - 1) matrices[0] *= last[static_cast<size_t>(i)];
    if (i > dim - 1) matrices[2] *= last[static_cast<size_t>(i)];
  }
  last[static_cast<size_t>(dim) - 1] = out;
  y = at.emit(Op::BATCH_MATMUL, {at.constant(std::move(matrix), {1, out, in}), at.reshape(y, matrices)}, Type::FLOAT32,
              {matrices[0], out, matrices[2]}, tflite::BatchMatMulOptions{});
  return at.transpose(at.reshape(y, last), back);
}

}  // namespace tinyml::lowering
