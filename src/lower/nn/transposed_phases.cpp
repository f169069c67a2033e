#include "lower/nn/transposed_phases.h"

#include <algorithm>
#include <vector>

#include "lower/nn/weights.h"

namespace tinyml::lowering {
namespace {

// Outputs y = m * stride + residue read inputs m + low ... by the taps first, first + stride, ... in reverse.
struct Phase {
  int64_t first, taps, before, after;
};

Phase phase_of(const GroupedTransposed& layer, size_t axis, int64_t in, int64_t residue) {
  const int64_t step = layer.stride[axis];
  const int64_t shifted = residue + layer.padding[axis];
  const int64_t first = shifted % step;
  const int64_t taps = first < layer.taps[axis] ? (layer.taps[axis] - first + step - 1) / step : 0;
  const int64_t low = shifted / step - taps + 1;
  const int64_t steps = (layer.out[axis + 2] + step - 1) / step;
  return {first, taps, -low, steps - 1 + low + taps - in};
}

// Weights [I, O / groups, H, W] -> [O, I / groups, taps of the phase].
Tensor phase_weights(const Tensor& weights, int64_t groups, int64_t step, const Phase& row, const Phase& column) {
  const Tensor source = weights.contiguous();
  const int64_t group_in = source.size(0) / groups;
  const int64_t group_out = source.size(1);
  Tensor result(source.type(), {group_out * groups, group_in, row.taps, column.taps});
  const size_t bytes = size_of(source.type());
  std::byte* to = result.mutable_bytes();
  for (int64_t o = 0; o < group_out * groups; ++o) {
    for (int64_t i = 0; i < group_in; ++i) {
      const int64_t plane = (o / group_out * group_in + i) * group_out + o % group_out;
      for (int64_t u = 0; u < row.taps; ++u) {
        for (int64_t v = 0; v < column.taps; ++v) {
          const int64_t y = row.first + step * (row.taps - 1 - u);
          const int64_t x = column.first + step * (column.taps - 1 - v);
          const int64_t from = (plane * source.size(2) + y) * source.size(3) + x;
          std::copy_n(source.bytes() + static_cast<size_t>(from) * bytes, bytes, to);
          to += bytes;
        }
      }
    }
  }
  return result;
}

// Whether the scales of quantized weights are still right for weights with the outputs first.
bool scales_stay(const Lowering& at, const GroupedTransposed& layer) {
  const tflite::Operator* producer = at.producer_of(layer.weights);
  if (producer == nullptr) return at.tensor(layer.weights).is_constant();
  if (producer->op != Op::DEQUANTIZE) return false;
  const tflite::Quantization& q = at.tensor(producer->inputs[0]).quantization;
  const bool depthwise = at.shape(layer.weights)[0] == layer.groups && at.shape(layer.weights)[1] == 1;
  return q.scale.size() == 1 || (depthwise && q.quantized_dimension == 0);
}

}  // namespace

TensorId convolve_phases(Lowering& at, const GroupedTransposed& layer) {
  const int64_t step = layer.stride[0];
  if (step < 2 || layer.stride[1] != step || !scales_stay(at, layer)) return tflite::kNoTensor;
  const Sizes in = at.shape(layer.x);
  std::vector<Phase> rows;
  std::vector<Phase> columns;
  for (int64_t residue = 0; residue < step; ++residue) {
    rows.push_back(phase_of(layer, 0, in[2], residue));
    columns.push_back(phase_of(layer, 1, in[3], residue));
  }
  const auto fits = [](const Phase& phase) { return phase.taps > 0 && phase.before >= 0 && phase.after >= 0; };
  if (!std::all_of(rows.begin(), rows.end(), fits) || !std::all_of(columns.begin(), columns.end(), fits)) {
    return tflite::kNoTensor;
  }
  const Sizes steps = {(layer.out[2] + step - 1) / step, (layer.out[3] + step - 1) / step};
  std::vector<TensorId> parts;
  for (const Phase& row : rows) {
    for (const Phase& column : columns) {
      const TensorId weights = change_weights(
          at, layer.weights, [&](const Tensor& data) { return phase_weights(data, layer.groups, step, row, column); });
      TINYML_CHECK(weights != tflite::kNoTensor);
      std::vector<TensorId> inputs = {
          at.pad(layer.x, {0, 0, row.before, column.before}, {0, 0, row.after, column.after}), weights};
      if (layer.bias != tflite::kNoTensor) inputs.push_back(layer.bias);
      parts.push_back(at.emit(Op::CONV_2D, std::move(inputs), Type::FLOAT32, {in[0], layer.out[1], steps[0], steps[1]},
                              tflite::Conv2DOptions{}, true));
    }
  }
  const TensorId woven = at.emit(Op::DEPTH_TO_SPACE, {at.concatenate(parts, 1)}, Type::FLOAT32,
                                 {in[0], layer.out[1], steps[0] * step, steps[1] * step},
                                 tflite::DepthToSpaceOptions{static_cast<int32_t>(step)}, true);
  return at.slice(woven, {0, 0, 0, 0}, layer.out);
}

}  // namespace tinyml::lowering
