#include "tflite/passes/affine.h"

namespace tinyml::tflite {

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

size_t bias_slot_of(Op op) { return op == Op::TRANSPOSE_CONV ? 3 : 2; }

std::optional<std::vector<float>> bias_of(const Editor& editor, const Operator& op, size_t channels) {
  const size_t slot = bias_slot_of(op.op);
  if (op.inputs.size() <= slot || op.inputs[slot] == kNoTensor) return std::vector<float>(channels, 0);
  return per_channel(editor.tensor(op.inputs[slot]), channels);
}

void replace_weights(Editor& editor, int o, std::vector<float> weights, std::vector<float> bias) {
  const Operator& op = editor.op(o);
  const size_t slot = bias_slot_of(op.op);
  const int bias_id = op.inputs.size() > slot ? op.inputs[slot] : kNoTensor;
  Tensor new_weights = editor.tensor(op.inputs[1]);
  new_weights.buffer = Buffer::of(std::move(weights));
  Tensor new_bias;
  new_bias.name = bias_id != kNoTensor ? editor.tensor(bias_id).name : new_weights.name + "_bias";
  new_bias.shape = {static_cast<int32_t>(bias.size())};
  new_bias.buffer = Buffer::of(std::move(bias));
  std::vector<int> inputs = op.inputs;
  inputs.resize(slot + 1, kNoTensor);
  inputs[1] = editor.add_tensor(std::move(new_weights));
  inputs[slot] = editor.add_tensor(std::move(new_bias));
  editor.set_inputs(o, std::move(inputs));
}

}  // namespace tinyml::tflite
