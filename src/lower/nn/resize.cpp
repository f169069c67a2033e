// upsample_nearest, upsample_bilinear: RESIZE_* where the sampled positions are TFLite's, else GATHERs of constant
// positions (and a weighted sum of two).
#include <algorithm>
#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// An image [N, C, H, W] to sample, whatever the rank of the node's.
struct Resize {
  TensorId x;
  Sizes in, out;              ///< {H, W}
  std::vector<double> scale;  ///< Source positions a step, as PyTorch computes them.
};

Resize read_resize(Lowering& at) {
  Resize resize;
  resize.x = at.input(at.node().has_arg("self") ? "self" : "input");
  Sizes in = at.shape(resize.x);
  Sizes out = at.output_sizes();
  const size_t spatial = in.size() - 2;
  if (spatial > 2) at.refuse("upsampling of three dimensions", "resize the planes and the depth one after the other");
  std::vector<double> factors;  // given by the user, and then not recomputed from the sizes
  if (at.node().has_arg("scale_factors") && at.has("scale_factors")) {
    for (const Argument& factor : at.node().arg("scale_factors").as_list()) factors.push_back(factor.as_double());
  } else if (at.node().has_arg("scales_w") && at.has("scales_w")) {
    if (spatial == 2) factors.push_back(at.number("scales_h"));
    factors.push_back(at.number("scales_w"));
  } else if (at.node().has_arg("scales") && at.has("scales")) {
    factors.push_back(at.number("scales"));
  }
  for (size_t i = 0; i < spatial; ++i) {
    resize.scale.push_back(factors.empty() ? static_cast<double>(in[i + 2]) / static_cast<double>(out[i + 2])
                                           : 1 / factors[i]);
  }
  if (spatial == 1) {
    in.insert(in.begin() + 2, 1);
    out.insert(out.begin() + 2, 1);
    resize.scale.insert(resize.scale.begin(), 1);
  }
  resize.x = at.reshape(resize.x, in);
  resize.in = {in[2], in[3]};
  resize.out = {out[2], out[3]};
  return resize;
}

TensorId emit_resize(Lowering& at, Op op, const Resize& resize, tflite::Options options) {
  const Sizes shape = at.shape(resize.x);
  const TensorId y = at.emit(op, {resize.x, at.indices(resize.out)}, at.type(resize.x),
                             {shape[0], shape[1], resize.out[0], resize.out[1]}, std::move(options), true);
  return at.reshape(y, at.output_sizes());
}

Sizes nearest_positions(int64_t in, int64_t out, double scale, double offset) {
  Sizes rows;
  for (int64_t i = 0; i < out; ++i) {
    const float position = (static_cast<float>(i) + static_cast<float>(offset)) * static_cast<float>(scale);
    rows.push_back(std::min<int64_t>(static_cast<int64_t>(std::floor(position)), in - 1));
  }
  return rows;
}

// offset 0: PyTorch's "nearest"; 0.5: "nearest-exact".
void lower_nearest(Lowering& at, double offset) {
  const Resize resize = read_resize(at);
  bool native = true;
  std::vector<Sizes> rows;
  for (size_t i = 0; i < 2; ++i) {
    const double scale = static_cast<double>(resize.in[i]) / static_cast<double>(resize.out[i]);
    rows.push_back(nearest_positions(resize.in[i], resize.out[i], resize.scale[i], offset));
    native = native && rows[i] == nearest_positions(resize.in[i], resize.out[i], scale, offset);
  }
  if (native) {
    const tflite::ResizeNearestNeighborOptions options{false, offset != 0};
    return at.set_output(emit_resize(at, Op::RESIZE_NEAREST_NEIGHBOR, resize, options));
  }
  const TensorId tall = at.gather(resize.x, rows[0], 2);
  at.set_output(at.reshape(at.gather(tall, rows[1], 3), at.output_sizes()));
}

// Linear interpolation along one dimension by two GATHERs.
TensorId interpolate(Lowering& at, TensorId x, size_t dim, int64_t in, int64_t out, double scale) {
  Sizes low;
  Sizes high;
  std::vector<float> weights;
  for (int64_t i = 0; i < out; ++i) {
    const double position = std::max(0.0, (static_cast<double>(i) + 0.5) * scale - 0.5);
    const auto below = std::min(static_cast<int64_t>(position), in - 1);
    low.push_back(below);
    high.push_back(std::min(below + 1, in - 1));
    weights.push_back(static_cast<float>(position - static_cast<double>(below)));
  }
  Sizes shape(at.shape(x).size() - dim, 1);
  shape[0] = out;
  const auto axis = static_cast<int64_t>(dim);
  const TensorId from = at.gather(x, low, axis);
  const TensorId step = at.binary(Op::SUB, at.gather(x, high, axis), from);
  return at.binary(Op::ADD, from, at.binary(Op::MUL, step, at.constant(std::move(weights), shape)));
}

void lower_linear_resize(Lowering& at) {
  const Resize resize = read_resize(at);
  const bool corners = at.flag("align_corners");
  bool native = true;
  for (size_t i = 0; i < 2; ++i) {
    const double scale = static_cast<double>(resize.in[i]) / static_cast<double>(resize.out[i]);
    native = native && std::abs(resize.scale[i] / scale - 1) < 1e-6;
  }
  if (corners || native) {
    return at.set_output(
        emit_resize(at, Op::RESIZE_BILINEAR, resize, tflite::ResizeBilinearOptions{corners, !corners}));
  }
  const TensorId tall = interpolate(at, resize.x, 2, resize.in[0], resize.out[0], resize.scale[0]);
  at.set_output(at.reshape(interpolate(at, tall, 3, resize.in[1], resize.out[1], resize.scale[1]), at.output_sizes()));
}

}  // namespace

void register_resize(Registry& registry) {
  registry.add(
      {"upsample_nearest1d.default", "upsample_nearest1d.vec", "upsample_nearest2d.default", "upsample_nearest2d.vec"},
      [](Lowering& at) { lower_nearest(at, 0); });
  registry.add({"_upsample_nearest_exact1d.default", "_upsample_nearest_exact1d.vec",
                "_upsample_nearest_exact2d.default", "_upsample_nearest_exact2d.vec"},
               [](Lowering& at) { lower_nearest(at, 0.5); });
  registry.add(
      {"upsample_linear1d.default", "upsample_linear1d.vec", "upsample_bilinear2d.default", "upsample_bilinear2d.vec"},
      lower_linear_resize);
}

}  // namespace tinyml::lowering
