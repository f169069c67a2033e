// conv_transpose1d, 2d and 3d: TRANSPOSE_CONV over the full output and a SLICE for the padding; of volumes, one for
// each residue of the depth, else CONV_3D_TRANSPOSE. Groups: one convolution a phase, else one transposed convolution a
// group.
#include <algorithm>

#include "lower/nn/convolution.h"
#include "lower/nn/spread_taps.h"
#include "lower/nn/transposed_phases.h"
#include "lower/nn/transposed_planes.h"
#include "lower/nn/weights.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// The node's numbers over two or three spatial dimensions; a 1-D one runs over one row.
struct Geometry {
  Sizes in, out;  ///< [N, C, spatial...]
  Sizes kernel;   ///< [I, O / groups, spatial...]
  Sizes stride, padding, dilation;
  Sizes taps, full;  ///< Spatial sizes of the spread kernel and of the output before it is cut.
};

Geometry read_geometry(const Lowering& at) {
  const size_t spatial = at.sizes("weight").size() - 2;
  Geometry g;
  g.stride = at.repeated("stride", spatial, 1);
  g.padding = at.repeated("padding", spatial, 0);
  g.dilation = at.repeated("dilation", spatial, 1);
  g.in = at.sizes("input");
  g.out = at.output_sizes();
  g.kernel = at.sizes("weight");
  if (g.in.size() == spatial + 1) {  // without a batch
    g.in.insert(g.in.begin(), 1);
    g.out.insert(g.out.begin(), 1);
  }
  if (spatial == 1) {
    for (Sizes* sizes : {&g.in, &g.out, &g.kernel}) sizes->insert(sizes->begin() + 2, 1);
    for (Sizes* sizes : {&g.stride, &g.dilation}) sizes->insert(sizes->begin(), 1);
    g.padding.insert(g.padding.begin(), 0);
  }
  // Taps that output_padding asks for beyond the full output are zeros at the kernel's end.
  for (size_t i = 0; i < g.stride.size(); ++i) {
    const int64_t taps = g.dilation[i] * (g.kernel[i + 2] - 1) + 1;
    const int64_t full = (g.in[i + 2] - 1) * g.stride[i] + taps;
    const int64_t missing = std::max<int64_t>(0, g.padding[i] + g.out[i + 2] - full);
    g.taps.push_back(taps + missing);
    g.full.push_back(full + missing);
  }
  return g;
}

TensorId slice_channels(Lowering& at, TensorId x, int64_t begin, int64_t count) {
  Sizes size = at.shape(x);
  Sizes start(size.size(), 0);
  start[1] = begin;
  size[1] = count;
  return at.slice(x, start, size);
}

TensorId emit_transposed(Lowering& at, std::vector<TensorId> inputs, const Sizes& stride, const Sizes& shape) {
  if (stride.size() == 3) {
    tflite::Conv3DOptions options;
    options.stride_d = static_cast<int32_t>(stride[0]);
    options.stride_h = static_cast<int32_t>(stride[1]);
    options.stride_w = static_cast<int32_t>(stride[2]);
    return at.emit(Op::CONV_3D_TRANSPOSE, std::move(inputs), Type::FLOAT32, shape, options, true);
  }
  tflite::TransposeConvOptions options;
  options.stride_h = static_cast<int32_t>(stride[0]);
  options.stride_w = static_cast<int32_t>(stride[1]);
  return at.emit(Op::TRANSPOSE_CONV, std::move(inputs), Type::FLOAT32, shape, options, true);
}

}  // namespace

void lower_transposed_convolution(Lowering& at) {
  const Geometry g = read_geometry(at);
  const int64_t groups = at.integer("groups");
  const TensorId x = at.reshape(at.input("input", Type::FLOAT32), g.in);
  TensorId weights = reshape_weights(at, at.input("weight", Type::FLOAT32), g.kernel);
  const TensorId bias = at.has("bias") ? at.input("bias", Type::FLOAT32) : tflite::kNoTensor;
  for (size_t i = g.taps.size(); i-- > 0;) {
    if (i == 0 && g.stride.size() == 3 && groups == 1) {
      const TensorId y = transpose_stacked(at, {x, weights, bias, g.out, g.stride, g.padding, g.full, g.dilation[0]});
      if (y != tflite::kNoTensor) return at.set_output(at.reshape(y, at.output_sizes()));
    }
    weights = spread_taps(at, weights, static_cast<int64_t>(i) + 2, g.dilation[i], g.taps[i]);
  }
  if (groups > 1 && g.stride.size() == 2) {
    const TensorId y = convolve_phases(at, {x, weights, bias, groups, g.out, g.taps, g.stride, g.padding});
    if (y != tflite::kNoTensor) return at.set_output(at.reshape(y, at.output_sizes()));
  }
  const int64_t group_in = g.in[1] / groups;
  const int64_t group_out = g.out[1] / groups;
  Sizes shape = {g.in[0], group_out};
  shape.insert(shape.end(), g.full.begin(), g.full.end());
  std::vector<TensorId> parts;
  for (int64_t group = 0; group < groups; ++group) {
    std::vector<TensorId> inputs = {at.indices(shape), slice_weights(at, weights, 0, group * group_in, group_in),
                                    slice_channels(at, x, group * group_in, group_in)};
    if (bias != tflite::kNoTensor) inputs.push_back(slice_weights(at, bias, 0, group * group_out, group_out));
    parts.push_back(emit_transposed(at, std::move(inputs), g.stride, shape));
  }
  Sizes begin = {0, 0};
  begin.insert(begin.end(), g.padding.begin(), g.padding.end());
  at.set_output(at.reshape(at.slice(at.concatenate(parts, 1), begin, g.out), at.output_sizes()));
}

void register_transposed_convolution(Registry& registry) {
  registry.add({"conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input"},
               lower_transposed_convolution);
}

}  // namespace tinyml::lowering
