#include <algorithm>
#include <optional>

#include "tflite/passes/affine.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// The input channel that each element of the weights multiplies.
class InputChannels {
 public:
  InputChannels(const Editor& editor, const Operator& op, size_t channels) : op_(op.op), channels_(channels) {
    const Shape& shape = editor.tensor(op.inputs[1]).shape;
    outputs_ = static_cast<size_t>(op_ == Op::DEPTHWISE_CONV_2D ? shape[3] : shape[0]);
    row_ = op_ == Op::DEPTHWISE_CONV_2D ? outputs_ : static_cast<size_t>(shape.back());
    size_t all = 1;
    for (const int32_t size : shape) all *= static_cast<size_t>(size);
    per_output_ = all / outputs_;
    groups_ = op_ == Op::CONV_2D ? channels_ / row_ : 1;
  }

  size_t output(size_t element) const {
    return op_ == Op::DEPTHWISE_CONV_2D ? element % outputs_ : element / per_output_;
  }
  size_t input(size_t element) const {
    if (op_ == Op::DEPTHWISE_CONV_2D) return element % outputs_ / (outputs_ / channels_);
    if (op_ == Op::CONV_2D) return output(element) / (outputs_ / groups_) * row_ + element % row_;
    return element % row_ % channels_;  // A flattened image has its channels innermost.
  }

 private:
  Op op_;
  size_t channels_, outputs_ = 0, row_ = 0, per_output_ = 0, groups_ = 1;
};

bool fits(const Editor& editor, const Operator& op, int channels) {
  const Tensor& weights = editor.tensor(op.inputs[1]);
  if (!weights.is_constant() || weights.type != Type::FLOAT32 || channels <= 0) return false;
  switch (op.op) {
    case Op::CONV_2D:
      return weights.rank() == 4 && weights.shape[3] > 0 && channels % weights.shape[3] == 0 &&
             weights.shape[0] % (channels / weights.shape[3]) == 0;
    case Op::DEPTHWISE_CONV_2D:
      return weights.rank() == 4 && weights.shape[3] % channels == 0;
    case Op::FULLY_CONNECTED:
      return weights.rank() == 2 && weights.shape[1] % channels == 0;
    default:
      return false;
  }
}

// Whether every output sees every tap: then a constant added to the input is one added to the output.
bool sees_no_padding(const Operator& op) {
  if (const auto* conv = std::get_if<Conv2DOptions>(&op.options)) return conv->padding == Padding::VALID;
  if (const auto* conv = std::get_if<DepthwiseConv2DOptions>(&op.options)) return conv->padding == Padding::VALID;
  return true;
}

bool fold(Editor& editor, int linear) {
  const Operator op = editor.op(linear);
  int x = op.inputs[0];
  int reader = linear;
  bool padded = !sees_no_padding(op);
  if (const int pad = editor.producer_of_kind(x, Op::PAD); pad != kNoProducer && editor.only_consumer(x) == linear) {
    padded = true;
    reader = pad;
    x = editor.op(pad).inputs[0];
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
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const auto outputs = static_cast<size_t>(weights.shape[static_cast<size_t>(output_channel_axis(op.op))]);
  auto bias = bias_of(editor, op, outputs);
  if (!bias || (shifts && padded)) return false;
  const InputChannels at(editor, op, static_cast<size_t>(channels));
  const auto old = weights.buffer.as<float>();
  std::vector<float> scaled(old.begin(), old.end());
  std::vector<double> added(outputs, 0);
  for (size_t i = 0; i < scaled.size(); ++i) {
    const size_t in = at.input(i);
    if (shifts) added[at.output(i)] += static_cast<double>(scaled[i]) * static_cast<double>(affine->shift[in]);
    scaled[i] *= affine->scale[in];
  }
  for (size_t c = 0; c < outputs; ++c) (*bias)[c] += static_cast<float>(added[c]);
  replace_weights(editor, linear, std::move(scaled), std::move(*bias));
  editor.set_input(reader, 0, source);
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
    if (op != Op::CONV_2D && op != Op::DEPTHWISE_CONV_2D && op != Op::FULLY_CONNECTED) continue;
    while (fold(editor, o)) ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
