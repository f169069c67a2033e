#include "lower/nn/transposed_planes.h"

#include <algorithm>
#include <vector>

#include "lower/nn/weights.h"

namespace tinyml::lowering {
namespace {

// Output planes m * stride + residue: they read the input planes m + offset by the taps beside them.
struct Residue {
  Sizes taps, offsets;
};

Residue residue_of(const VolumeTransposed& layer, int64_t taps, int64_t residue) {
  const int64_t stride = layer.stride[0];
  const int64_t shifted = residue + layer.padding[0];
  Residue found;
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t distance = shifted - tap * layer.depth_dilation;
    if (distance % stride != 0) continue;
    found.taps.push_back(tap);
    found.offsets.push_back(distance / stride);
  }
  return found;
}

// Weights [I, O, taps] -> [taps of the residue * I, O, H, W]; zeros where it has none.
Tensor residue_weights(const Tensor& weights, const Residue& residue) {
  const int64_t planes = std::max<int64_t>(1, static_cast<int64_t>(residue.taps.size()));
  const Sizes shape = {planes * weights.size(0), weights.size(1), weights.size(3), weights.size(4)};
  if (residue.taps.empty()) return Tensor(weights.type(), shape);
  return weights.index_select(2, residue.taps).permuted(Sizes{2, 0, 1, 3, 4}).contiguous().reshaped(shape);
}

}  // namespace

TensorId transpose_stacked(Lowering& at, const VolumeTransposed& layer) {
  const Sizes order = {0, 2, 1, 3, 4};
  const int64_t stride = layer.stride[0];
  const int64_t steps = (layer.out[2] + stride - 1) / stride;
  const int64_t depth = at.shape(layer.x)[2];
  std::vector<Residue> residues;
  std::vector<TensorId> weights;
  int64_t before = 0, after = 0;
  for (int64_t r = 0; r < std::min(stride, layer.out[2]); ++r) {
    const Residue& residue = residues.emplace_back(residue_of(layer, at.shape(layer.weights)[2], r));
    weights.push_back(
        change_weights(at, layer.weights, [&](const Tensor& data) { return residue_weights(data, residue); }));
    if (weights.back() == tflite::kNoTensor) return tflite::kNoTensor;
    for (const int64_t offset : residue.offsets) {
      before = std::max(before, -offset);
      after = std::max(after, offset + steps - depth);
    }
  }
  after = std::max(after, steps - depth - before);  // What a residue without taps reads.
  const TensorId x = at.transpose(at.pad(layer.x, {0, 0, before, 0, 0}, {0, 0, after, 0, 0}), order);
  const Sizes in = at.shape(x);  // [N, D, I, H, W]: planes count as further images
  const int64_t images = in[0] * steps;
  const Sizes plane = {images, layer.out[1], layer.full[1], layer.full[2]};
  tflite::TransposeConvOptions options;
  options.stride_h = static_cast<int32_t>(layer.stride[1]);
  options.stride_w = static_cast<int32_t>(layer.stride[2]);
  std::vector<TensorId> parts;
  for (size_t r = 0; r < residues.size(); ++r) {
    const Sizes& offsets = residues[r].offsets;
    std::vector<TensorId> planes;
    for (const int64_t offset : offsets.empty() ? Sizes{-before} : offsets) {
      const TensorId read = at.slice(x, {0, before + offset, 0, 0, 0}, {in[0], steps, in[2], in[3], in[4]});
      planes.push_back(at.reshape(read, {images, in[2], in[3], in[4]}));
    }
    std::vector<TensorId> inputs = {at.indices(plane), weights[r], at.concatenate(planes, 1)};
    if (layer.bias != tflite::kNoTensor) inputs.push_back(layer.bias);
    const TensorId y = at.emit(Op::TRANSPOSE_CONV, std::move(inputs), Type::FLOAT32, plane, options, true);
    const TensorId cut =
        at.slice(y, {0, 0, layer.padding[1], layer.padding[2]}, {images, layer.out[1], layer.out[3], layer.out[4]});
    parts.push_back(at.reshape(cut, {images, 1, layer.out[1], layer.out[3], layer.out[4]}));
  }
  const int64_t woven = static_cast<int64_t>(parts.size()) * steps;
  const Sizes volume = {in[0], woven, layer.out[1], layer.out[3], layer.out[4]};
  const TensorId y = at.reshape(at.concatenate(parts, 1), volume);
  return at.transpose(at.slice(y, {0, 0, 0, 0, 0}, {in[0], layer.out[2], layer.out[1], layer.out[3], layer.out[4]}),
                      order);
}

}  // namespace tinyml::lowering
