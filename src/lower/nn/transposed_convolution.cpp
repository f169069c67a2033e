// conv_transpose1d and conv_transpose2d: TRANSPOSE_CONV over the full output and a SLICE for the padding. Groups:
// one convolution a phase, else one TRANSPOSE_CONV a group.
#include <algorithm>

#include "lower/nn/convolution.h"
#include "lower/nn/transposed_phases.h"
#include "lower/nn/weights.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Weights [I, O, H, W] spread to [I, O, size...]: taps `dilation` apart, zeros elsewhere.
Tensor spread_taps(const Tensor& weights, const Sizes& dilation, const Sizes& size) {
  const Tensor source = weights.contiguous();
  Tensor result(source.type(), {source.size(0), source.size(1), size[0], size[1]});
  const int64_t height = source.size(2);
  const int64_t width = source.size(3);
  const size_t bytes = size_of(source.type());
  const std::byte* from = source.bytes();
  std::byte* to = result.mutable_bytes();
  for (int64_t plane = 0; plane < source.size(0) * source.size(1); ++plane) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const int64_t target = (plane * size[0] + y * dilation[0]) * size[1] + x * dilation[1];
        const int64_t origin = (plane * height + y) * width + x;
        std::copy_n(from + static_cast<size_t>(origin) * bytes, bytes, to + static_cast<size_t>(target) * bytes);
      }
    }
  }
  return result;
}

TensorId slice_channels(Lowering& at, TensorId x, int64_t begin, int64_t count) {
  Sizes size = at.shape(x);
  Sizes start(size.size(), 0);
  start[1] = begin;
  size[1] = count;
  return at.slice(x, start, size);
}

Tensor rows(const Tensor& data, int64_t begin, int64_t count) {
  Sizes indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(begin + i);
  return data.index_select(0, indices);
}

}  // namespace

void lower_transposed_convolution(Lowering& at) {
  const size_t spatial = at.sizes("weight").size() - 2;
  if (spatial > 2) at.refuse("3-D transposed convolution", "use 2-D transposed convolutions over the planes");
  const int64_t groups = at.integer("groups");
  Sizes stride = at.repeated("stride", spatial, 1);
  Sizes padding = at.repeated("padding", spatial, 0);
  Sizes dilation = at.repeated("dilation", spatial, 1);
  Sizes in = at.sizes("input");
  Sizes out = at.output_sizes();
  Sizes kernel = at.sizes("weight");
  if (in.size() == spatial + 1) {  // without a batch
    in.insert(in.begin(), 1);
    out.insert(out.begin(), 1);
  }
  if (spatial == 1) {  // a 2-D one over one row
    in.insert(in.begin() + 2, 1);
    out.insert(out.begin() + 2, 1);
    kernel.insert(kernel.begin() + 2, 1);
    stride.insert(stride.begin(), 1);
    padding.insert(padding.begin(), 0);
    dilation.insert(dilation.begin(), 1);
  }
  // Taps that output_padding asks for beyond the full output are zeros at the kernel's end.
  Sizes taps(2);
  Sizes full(2);
  for (size_t i = 0; i < 2; ++i) {
    taps[i] = dilation[i] * (kernel[i + 2] - 1) + 1;
    full[i] = (in[i + 2] - 1) * stride[i] + taps[i];
    const int64_t missing = std::max<int64_t>(0, padding[i] + out[i + 2] - full[i]);
    taps[i] += missing;
    full[i] += missing;
  }
  const TensorId x = at.reshape(at.input("input", Type::FLOAT32), in);
  TensorId weights = reshape_weights(at, at.input("weight", Type::FLOAT32), kernel);
  if (taps != Sizes{kernel[2], kernel[3]}) {
    weights = change_weights(at, weights, [&](const Tensor& data) { return spread_taps(data, dilation, taps); });
    if (weights == tflite::kNoTensor) {
      at.refuse("dilation or output_padding with weights that the model computes",
                "use dilation 1 and output_padding 0");
    }
  }
  const int64_t group_in = in[1] / groups;
  const int64_t group_out = out[1] / groups;
  const TensorId bias = at.has("bias") ? at.input("bias", Type::FLOAT32) : tflite::kNoTensor;
  if (groups > 1) {
    const TensorId y = convolve_phases(at, {x, weights, bias, groups, out, taps, stride, padding});
    if (y != tflite::kNoTensor) return at.set_output(at.reshape(y, at.output_sizes()));
  }
  tflite::TransposeConvOptions options;
  options.stride_h = static_cast<int32_t>(stride[0]);
  options.stride_w = static_cast<int32_t>(stride[1]);
  std::vector<TensorId> parts;
  for (int64_t group = 0; group < groups; ++group) {
    TensorId part_weights = weights;
    TensorId part_bias = bias;
    if (groups > 1) {
      part_weights =
          change_weights(at, weights, [&](const Tensor& data) { return rows(data, group * group_in, group_in); });
      if (bias != tflite::kNoTensor) {
        part_bias =
            change_weights(at, bias, [&](const Tensor& data) { return rows(data, group * group_out, group_out); });
      }
      if (part_weights == tflite::kNoTensor || (part_bias == tflite::kNoTensor && bias != tflite::kNoTensor)) {
        at.refuse("groups with weights that the model computes", "use one group");
      }
    }
    const Sizes shape = {in[0], group_out, full[0], full[1]};
    std::vector<TensorId> inputs = {at.indices(shape), part_weights, slice_channels(at, x, group * group_in, group_in)};
    if (bias != tflite::kNoTensor) inputs.push_back(part_bias);
    parts.push_back(at.emit(Op::TRANSPOSE_CONV, std::move(inputs), Type::FLOAT32, shape, options, true));
  }
  const TensorId y = at.slice(at.concatenate(parts, 1), {0, 0, padding[0], padding[1]}, out);
  at.set_output(at.reshape(y, at.output_sizes()));
}

void register_transposed_convolution(Registry& registry) {
  registry.add({"conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input"},
               lower_transposed_convolution);
}

}  // namespace tinyml::lowering
