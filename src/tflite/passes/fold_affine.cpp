#include <algorithm>
#include <optional>

#include "tflite/passes/activations.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// y = x * scale + shift, one value for each of the last dimension's channels (or one for all).
struct Affine {
  std::vector<float> scale, shift;
};

// The constant as one value a channel; nullopt when it varies along another axis.
std::optional<std::vector<float>> per_channel(const Tensor& constant, size_t channels) {
  if (!constant.is_constant() || constant.type != Type::FLOAT32) return std::nullopt;
  for (size_t i = 0; i + 1 < constant.shape.size(); ++i) {
    if (constant.shape[i] != 1) return std::nullopt;
  }
  const auto values = constant.buffer.as<float>();
  if (values.size() == 1) return std::vector<float>(channels, values[0]);
  if (values.size() != channels) return std::nullopt;
  return std::vector<float>(values.begin(), values.end());
}

// The operator as an affine map of the value `x`.
std::optional<Affine> affine_of(const Editor& editor, const Operator& op, int x, size_t channels) {
  if (op.op != Op::MUL && op.op != Op::DIV && op.op != Op::ADD && op.op != Op::SUB) return std::nullopt;
  const bool first = op.inputs[0] == x;
  const auto constant = per_channel(editor.tensor(op.inputs[first ? 1 : 0]), channels);
  if (!constant) return std::nullopt;
  Affine affine{std::vector<float>(channels, 1), std::vector<float>(channels, 0)};
  for (size_t c = 0; c < channels; ++c) {
    const float value = (*constant)[c];
    switch (op.op) {
      case Op::MUL:
        affine.scale[c] = value;
        break;
      case Op::ADD:
        affine.shift[c] = value;
        break;
      case Op::DIV:
        if (!first) return std::nullopt;
        affine.scale[c] = 1 / value;
        break;
      default:
        affine.scale[c] = first ? 1.0F : -1.0F;
        affine.shift[c] = first ? -value : value;
    }
  }
  return affine;
}

// Where the weights' output channels are; -1 for operators without.
int output_channel_axis(Op op) {
  switch (op) {
    case Op::CONV_2D:
    case Op::FULLY_CONNECTED:
    case Op::TRANSPOSE_CONV:
      return 0;
    case Op::DEPTHWISE_CONV_2D:
      return 3;
    default:
      return -1;
  }
}

bool fold(Editor& editor, int linear, const Affine& affine) {
  const Operator& op = editor.op(linear);
  const size_t bias_slot = op.op == Op::TRANSPOSE_CONV ? 3 : 2;
  const auto axis = static_cast<size_t>(output_channel_axis(op.op));
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const size_t channels = affine.scale.size();
  if (!weights.is_constant() || weights.type != Type::FLOAT32) return false;
  if (axis >= weights.shape.size() || static_cast<size_t>(weights.shape[axis]) != channels) return false;
  const int bias_id = op.inputs.size() > bias_slot ? op.inputs[bias_slot] : kNoTensor;
  std::vector<float> bias(channels, 0);
  if (bias_id != kNoTensor) {
    const auto given = per_channel(editor.tensor(bias_id), channels);
    if (!given) return false;
    bias = *given;
  }
  size_t inner = 1;
  for (size_t i = axis + 1; i < weights.shape.size(); ++i) inner *= static_cast<size_t>(weights.shape[i]);
  const auto old = weights.buffer.as<float>();
  std::vector<float> scaled(old.begin(), old.end());
  for (size_t i = 0; i < scaled.size(); ++i) scaled[i] *= affine.scale[i / inner % channels];
  for (size_t c = 0; c < channels; ++c) bias[c] = bias[c] * affine.scale[c] + affine.shift[c];

  Tensor new_weights = weights;
  new_weights.buffer = Buffer::of(std::move(scaled));
  Tensor new_bias;
  new_bias.name = bias_id != kNoTensor ? editor.tensor(bias_id).name : weights.name + "_bias";
  new_bias.shape = {static_cast<int32_t>(channels)};
  new_bias.buffer = Buffer::of(std::move(bias));
  std::vector<int> inputs = op.inputs;
  inputs.resize(bias_slot + 1, kNoTensor);
  inputs[1] = editor.add_tensor(std::move(new_weights));
  inputs[bias_slot] = editor.add_tensor(std::move(new_bias));
  editor.set_inputs(linear, std::move(inputs));
  return true;
}

}  // namespace

int fold_affine(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Operator& op = editor.op(o);
    const auto* options = std::get_if<ArithmeticOptions>(&op.options);
    if (options == nullptr || op.inputs.size() != 2) continue;
    const int x = editor.tensor(op.inputs[0]).is_constant() ? op.inputs[1] : op.inputs[0];
    const int out = op.outputs[0];
    const int before = editor.producer(x);
    if (before == kNoProducer || editor.only_consumer(x) != o) continue;
    if (output_channel_axis(editor.op(before).op) < 0) continue;
    const Activation activation = options->activation;
    Activation* fused = fused_activation(editor.options(before), editor.op(before).op);
    if (*fused != Activation::NONE) continue;
    const Tensor& made = editor.tensor(x);
    if (made.shape != editor.tensor(out).shape || made.shape.empty() || made.type != Type::FLOAT32) continue;
    const auto affine = affine_of(editor, op, x, static_cast<size_t>(made.shape.back()));
    if (!affine || !fold(editor, before, *affine)) continue;
    *fused_activation(editor.options(before), editor.op(before).op) = activation;
    editor.remove(o);
    editor.replace_uses(out, x);
    ++changes;
  }
  editor.finish();
  return changes;
}

int form_depthwise_affine(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    if (editor.op(o).op != Op::MUL) continue;
    const Operator mul = editor.op(o);
    const int x = editor.tensor(mul.inputs[0]).is_constant() ? mul.inputs[1] : mul.inputs[0];
    const int middle = mul.outputs[0];
    const int next = editor.only_consumer(middle);
    const Tensor source = editor.tensor(x);
    if (next == kGraphOutput || editor.op(next).op != Op::ADD || source.rank() != 4 || source.is_constant()) continue;
    if (std::get<ArithmeticOptions>(mul.options).activation != Activation::NONE) continue;
    const Operator add = editor.op(next);
    const int out = add.outputs[0];
    if (source.type != Type::FLOAT32 || source.shape != editor.tensor(out).shape) continue;
    const auto channels = static_cast<size_t>(source.shape[3]);
    const auto scale = affine_of(editor, mul, x, channels);
    const auto shift = affine_of(editor, add, middle, channels);
    if (!scale || !shift) continue;
    Tensor weights;
    weights.name = editor.tensor(out).name + "_scale";
    weights.shape = {1, 1, 1, source.shape[3]};
    weights.buffer = Buffer::of(scale->scale);
    Tensor bias;
    bias.name = editor.tensor(out).name + "_shift";
    bias.shape = {source.shape[3]};
    bias.buffer = Buffer::of(shift->shift);
    Operator depthwise;
    depthwise.op = Op::DEPTHWISE_CONV_2D;
    depthwise.options = DepthwiseConv2DOptions{.activation = std::get<ArithmeticOptions>(add.options).activation};
    depthwise.inputs = {x, editor.add_tensor(std::move(weights)), editor.add_tensor(std::move(bias))};
    depthwise.outputs = {out};
    editor.remove(o);
    editor.remove(next);
    editor.add_operator(std::move(depthwise));
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
