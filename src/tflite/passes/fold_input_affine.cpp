#include <algorithm>
#include <optional>

#include "tflite/passes/affine.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// Scales weights by the input channel that each element multiplies; returns what the shift adds to each output.
std::vector<double> scale_inputs(std::vector<float>& weights, const Shape& shape, Op op, const Affine& affine) {
  const size_t channels = affine.scale.size();
  const bool depthwise = op == Op::DEPTHWISE_CONV_2D;
  const auto outputs = static_cast<size_t>(depthwise ? shape[3] : shape[0]);
  std::vector<double> added(outputs, 0);
  size_t i = 0;
  if (depthwise) {
    const size_t multiplier = outputs / channels;
    while (i < weights.size()) {
      for (size_t out = 0; out < outputs; ++out, ++i) {
        added[out] += static_cast<double>(weights[i]) * static_cast<double>(affine.shift[out / multiplier]);
        weights[i] *= affine.scale[out / multiplier];
      }
    }
    return added;
  }
  // A group of a convolution reads a row of the channels; a flattened image repeats them, innermost.
  const size_t row = op == Op::CONV_2D ? static_cast<size_t>(shape[3]) : channels;
  const size_t rows = weights.size() / outputs / row;
  const size_t outputs_per_group = outputs / (channels / row);
  for (size_t out = 0; out < outputs; ++out) {
    const size_t first = out / outputs_per_group * row;
    const float* scale = affine.scale.data() + first;
    const float* shift = affine.shift.data() + first;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < row; ++c, ++i) {
        added[out] += static_cast<double>(weights[i]) * static_cast<double>(shift[c]);
        weights[i] *= scale[c];
      }
    }
  }
  return added;
}

bool fits(const Editor& editor, const Operator& op, int channels) {
  const Tensor& weights = editor.tensor(op.inputs[1]);
  if (!weights.is_constant() || weights.type != Type::FLOAT32 || channels <= 0) return false;
  switch (op.op) {
    case Op::CONV_2D:
      return weights.rank() == 4 && weights.shape[3] > 0 && channels % weights.shape[3] == 0 &&
             weights.shape[0] % (channels / weights.shape[3]) == 0;
    case Op::DEPTHWISE_CONV_2D:
      return weights.rank() == 4 && weights.shape[3] % channels == 0;
    case Op::TRANSPOSE_CONV:
      return weights.rank() == 4 && weights.shape[3] == channels;
    case Op::FULLY_CONNECTED:
      return weights.rank() == 2 && weights.shape[1] % channels == 0;
    default:
      return false;
  }
}

// f(s x) = s f(x) for positive s, channel by channel.
bool passes_positive_factors(const Operator& op) {
  if (op.op == Op::RELU || op.op == Op::LEAKY_RELU) return true;
  const auto* pool = std::get_if<Pool2DOptions>(&op.options);
  return op.op == Op::MAX_POOL_2D && pool != nullptr &&
         (pool->activation == Activation::NONE || pool->activation == Activation::RELU);
}

// Whether every output sees every tap: then a constant added to the input is one added to the output.
bool sees_no_padding(const Operator& op) {
  if (const auto* conv = std::get_if<Conv2DOptions>(&op.options)) return conv->padding == Padding::VALID;
  if (const auto* conv = std::get_if<DepthwiseConv2DOptions>(&op.options)) return conv->padding == Padding::VALID;
  return op.op != Op::TRANSPOSE_CONV;
}

bool fold(Editor& editor, int linear) {
  const Operator op = editor.op(linear);
  size_t slot = op.op == Op::TRANSPOSE_CONV ? 2 : 0;
  int x = op.inputs[slot];
  int reader = linear;
  bool padded = !sees_no_padding(op);
  bool wants_positive = false;
  // PAD and RESHAPE (and, of positive factors, what is in passes_positive_factors) pass a map of the channels on, as
  // long as the channels stay the last dimension, or its innermost part where a linear layer reads it (a flattened
  // image).
  while (editor.only_consumer(x) == reader) {
    const int step = editor.producer(x);
    if (step == kNoProducer) break;
    const bool passes = passes_positive_factors(editor.op(step));
    if (!passes && editor.op(step).op != Op::PAD && editor.op(step).op != Op::RESHAPE) break;
    const int next = editor.op(step).inputs[0];
    const Shape& shape = editor.tensor(next).shape;
    const Shape& after = editor.tensor(x).shape;
    if (shape.empty() || after.empty() || shape.back() <= 0 || after.back() % shape.back() != 0) break;
    const bool flattens = op.op == Op::FULLY_CONNECTED && editor.op(step).op == Op::RESHAPE;
    if (shape.back() != after.back() && !flattens) break;
    padded = padded || editor.op(step).op == Op::PAD;
    wants_positive = wants_positive || passes;
    reader = step;
    slot = 0;
    x = next;
  }
  const int before = editor.producer(x);
  if (before == kNoProducer || editor.only_consumer(x) != reader || editor.tensor(x).shape.empty()) return false;
  const Operator& map = editor.op(before);
  const auto* options = std::get_if<ArithmeticOptions>(&map.options);
  if (options == nullptr || options->activation != Activation::NONE || map.inputs.size() != 2) return false;
  const int source = editor.tensor(map.inputs[0]).is_constant() ? map.inputs[1] : map.inputs[0];
  const int channels = editor.tensor(x).shape.back();
  if (editor.tensor(source).shape != editor.tensor(x).shape || !fits(editor, op, channels)) return false;
  const auto affine = affine_of(editor, map, source, static_cast<size_t>(channels));
  if (!affine) return false;
  const bool shifts = std::any_of(affine->shift.begin(), affine->shift.end(), [](float s) { return s != 0; });
  const auto is_positive = [](float scale) { return scale > 0; };
  if (wants_positive && (shifts || !std::all_of(affine->scale.begin(), affine->scale.end(), is_positive))) return false;
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const auto outputs = static_cast<size_t>(weights.shape[static_cast<size_t>(output_channel_axis(op.op))]);
  auto bias = bias_of(editor, op, outputs);
  if (!bias || (shifts && padded)) return false;
  const auto old = weights.buffer.as<float>();
  std::vector<float> scaled(old.begin(), old.end());
  const std::vector<double> added = scale_inputs(scaled, weights.shape, op.op, *affine);
  for (size_t c = 0; c < outputs; ++c) (*bias)[c] += static_cast<float>(added[c]);
  replace_weights(editor, linear, std::move(scaled), std::move(*bias));
  editor.set_input(reader, slot, source);
  editor.remove(before);
  return true;
}

}  // namespace

int fold_input_affine(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Op op = editor.op(o).op;
    if (op != Op::CONV_2D && op != Op::DEPTHWISE_CONV_2D && op != Op::FULLY_CONNECTED && op != Op::TRANSPOSE_CONV) {
      continue;
    }
    while (fold(editor, o)) ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
