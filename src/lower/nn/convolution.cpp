// conv1d, conv2d, conv3d and convolution: CONV_2D after a PAD (depthwise ones too), CONV_3D.
#include "lower/nn/convolution.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/node_notes.h"
#include "lower/nn/weights.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Padding before and after each spatial dimension: "valid", "same" or numbers. Only what the windows touch is padded,
// so that a PAD equals TFLite's SAME whenever the numbers allow.
void set_padding(const Lowering& at, Window& window, const Sizes& kernel, const Sizes& in, const Sizes& out) {
  const size_t rank = kernel.size();
  const Argument& padding = at.node().arg("padding");
  if (padding.is_string() && padding.as_string() == "valid") {
    window.before.assign(rank, 0);
  } else if (padding.is_string()) {
    for (size_t i = 0; i < rank; ++i) window.before.push_back(window.dilation[i] * (kernel[i] - 1) / 2);
  } else {
    window.before = at.repeated("padding", rank, 0);
  }
  for (size_t i = 0; i < rank; ++i) {
    const int64_t reach = (out[i] - 1) * window.stride[i] + window.dilation[i] * (kernel[i] - 1) + 1;
    const size_t axis = at.sizes("input").size() - rank + i;
    const bool same_as_before = !padding.is_string() && at.is_dynamic("input", axis);  // What is touched differs.
    window.after.push_back(same_as_before ? window.before[i] : std::max<int64_t>(0, reach - in[i] - window.before[i]));
  }
}

TensorId pad_spatial(Lowering& at, TensorId x, const Window& window) {
  Sizes before(2, 0);
  Sizes after(2, 0);
  before.insert(before.end(), window.before.begin(), window.before.end());
  after.insert(after.end(), window.after.begin(), window.after.end());
  return at.pad(x, before, after);
}

TensorId convolve_3d(Lowering& at, std::vector<TensorId> inputs, const Window& window, const Sizes& out) {
  tflite::Conv3DOptions options;
  options.stride_d = static_cast<int32_t>(window.stride[0]);
  options.stride_h = static_cast<int32_t>(window.stride[1]);
  options.stride_w = static_cast<int32_t>(window.stride[2]);
  options.dilation_d = static_cast<int32_t>(window.dilation[0]);
  options.dilation_h = static_cast<int32_t>(window.dilation[1]);
  options.dilation_w = static_cast<int32_t>(window.dilation[2]);
  return at.emit(Op::CONV_3D, std::move(inputs), Type::FLOAT32, out, options, true);
}

bool has_rounded_weights(const Lowering& at) {
  const NodeId producer = at.graph().value(at.node().arg("weight").as_value()).producer;
  return producer != kNoNode && is_fake_quantize(at.graph().node(producer));
}

// CONV_3D's kernel is the builtin one; XNNPACK convolves the stacked planes in less time, but for many channels and for
// windows that overlap less than they step.
bool is_faster_stacked(const Lowering& at, const Sizes& kernel, const Window& window) {
  constexpr int64_t kMostChannels = 64;
  if (at.target != tflite::Target::kLitert || at.constant_data("weight") == nullptr || at.integer("groups") != 1) {
    return false;
  }
  for (size_t axis = 0; axis < at.sizes("input").size(); ++axis) {
    if (at.is_dynamic("input", axis)) return false;
  }
  return at.sizes("weight")[1] <= kMostChannels && (window.stride[0] == 1 || kernel[0] <= window.stride[0]);
}

void lower_convolution(Lowering& at) {
  if (at.node().has_arg("transposed") && at.flag("transposed")) return lower_transposed_convolution(at);
  TensorId x = at.input("input", Type::FLOAT32);
  TensorId weights = at.input("weight", Type::FLOAT32);
  const size_t spatial = at.sizes("weight").size() - 2;
  Sizes in = at.shape(x);
  Sizes out = at.output_sizes();
  if (in.size() == spatial + 1) {  // without a batch
    in.insert(in.begin(), 1);
    out.insert(out.begin(), 1);
  }
  Sizes kernel(at.sizes("weight").begin() + 2, at.sizes("weight").end());
  Window window;
  window.stride = at.repeated("stride", spatial, 1);
  window.dilation = at.repeated("dilation", spatial, 1);
  set_padding(at, window, kernel, {in.begin() + 2, in.end()}, {out.begin() + 2, out.end()});
  if (spatial == 1) {  // a 2-D convolution over one row
    in.insert(in.begin() + 2, 1);
    out.insert(out.begin() + 2, 1);
    Sizes shape = at.sizes("weight");
    shape.insert(shape.begin() + 2, 1);
    weights = reshape_weights(at, weights, shape);
    window.stride.insert(window.stride.begin(), 1);
    window.dilation.insert(window.dilation.begin(), 1);
    window.before.insert(window.before.begin(), 0);
    window.after.insert(window.after.begin(), 0);
  }
  const bool stacked = spatial == 3 && (has_rounded_weights(at) || is_faster_stacked(at, kernel, window));
  if (stacked) {  // To a multiple of the stride.
    const int64_t depth = in[2] + window.before[0] + window.after[0];
    window.after[0] += (window.stride[0] - depth % window.stride[0]) % window.stride[0];
  }
  x = pad_spatial(at, at.reshape(x, in), window);
  const TensorId bias = at.has("bias") ? at.input("bias", Type::FLOAT32) : tflite::kNoTensor;
  if (stacked) {
    const TensorId y = convolve_stacked(at, x, weights, bias, window, at.integer("groups"), out);
    return at.set_output(at.reshape(y, at.output_sizes()));
  }
  if (spatial == 3 && at.integer("groups") != 1) {
    return at.set_output(at.reshape(convolve_planes(at, x, weights, bias, window, out), at.output_sizes()));
  }
  std::vector<TensorId> inputs = {x, weights};
  if (bias != tflite::kNoTensor) inputs.push_back(bias);
  const TensorId y =
      spatial == 3 ? convolve_3d(at, std::move(inputs), window, out) : convolve_2d(at, std::move(inputs), window, out);
  at.set_output(at.reshape(y, at.output_sizes()));
}

// conv_tbc: time, batch, channels.
void lower_conv_tbc(Lowering& at) {
  const Sizes out = at.output_sizes();
  const int64_t pad = at.integer("pad");
  const TensorId x = at.transpose(at.input("self", Type::FLOAT32), {1, 2, 0});  // [N, C, T]
  const Sizes in = at.shape(x);
  const Sizes kernel = at.sizes("weight");  // [taps, in, out]
  TensorId weights = at.input("weight", Type::FLOAT32);
  const Sizes order = {2, 1, 0};
  const TensorId changed = change_weights(at, weights, [&](const Tensor& data) { return data.permuted(order); });
  weights = changed == tflite::kNoTensor ? at.transpose(weights, order) : changed;
  weights = reshape_weights(at, weights, {kernel[2], kernel[1], 1, kernel[0]});
  const Window window{{1, 1}, {1, 1}, {0, pad}, {0, pad}};
  const TensorId image = pad_spatial(at, at.reshape(x, {in[0], in[1], 1, in[2]}), window);
  const TensorId y =
      convolve_2d(at, {image, weights, at.input("bias", Type::FLOAT32)}, window, {out[1], out[2], 1, out[0]});
  at.set_output(at.transpose(at.reshape(y, {out[1], out[2], out[0]}), {2, 0, 1}));
}

}  // namespace

TensorId convolve_2d(Lowering& at, std::vector<TensorId> inputs, const Window& window, const Sizes& out) {
  tflite::Conv2DOptions options;
  options.stride_h = static_cast<int32_t>(window.stride[0]);
  options.stride_w = static_cast<int32_t>(window.stride[1]);
  options.dilation_h = static_cast<int32_t>(window.dilation[0]);
  options.dilation_w = static_cast<int32_t>(window.dilation[1]);
  return at.emit(Op::CONV_2D, std::move(inputs), Type::FLOAT32, out, options, true);
}

void register_convolution(Registry& registry) {
  registry.add({"conv1d.default", "conv1d.padding", "conv2d.default", "conv2d.padding", "conv3d.default",
                "conv3d.padding", "convolution.default", "_convolution.default", "_convolution.deprecated"},
               lower_convolution);
  registry.add({"conv_tbc.default"}, lower_conv_tbc);
}

}  // namespace tinyml::lowering
