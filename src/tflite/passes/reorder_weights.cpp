#include "tflite/passes/reorder_weights.h"

#include <algorithm>
#include <cstring>

#include "tflite/constant_values.h"
#include "tflite/operator_traits.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

bool is_plain_constant(const Editor& editor, const Operator& op, size_t slot) {
  if (slot >= op.inputs.size() || op.inputs[slot] == kNoTensor) return false;
  const Tensor& tensor = editor.tensor(op.inputs[slot]);
  return tensor.is_constant() && !tensor.is_variable && bits_of(tensor.type) % 8 == 0 && bits_of(tensor.type) > 0;
}

size_t bias_slot(Op op) { return op == Op::TRANSPOSE_CONV ? 3 : 2; }

bool has_usable_bias(const Editor& editor, const Operator& op) {
  const size_t slot = bias_slot(op.op);
  return slot >= op.inputs.size() || op.inputs[slot] == kNoTensor || is_plain_constant(editor, op, slot);
}

void reorder_constant(Editor& editor, int op, size_t slot, size_t axis, const Order& order) {
  if (slot >= editor.op(op).inputs.size() || editor.op(op).inputs[slot] == kNoTensor) return;
  const int changed = editor.add_tensor(reordered(editor.tensor(editor.op(op).inputs[slot]), axis, order));
  editor.set_input(op, slot, changed);
}

bool reduces_spatially(const Editor& editor, const Operator& op) {
  const auto axes = constant_integers(editor.subgraph(), op, 1);
  const int rank = editor.tensor(op.inputs[0]).rank();
  return axes &&
         std::all_of(axes->begin(), axes->end(), [&](int64_t axis) { return normalized_axis(axis, rank) != rank - 1; });
}

}  // namespace

Order widened(const Order& order, int width) {
  Order result;
  for (const int channel : order) {
    for (int i = 0; i < width; ++i) result.push_back(channel * width + i);
  }
  return result;
}

Tensor reordered(const Tensor& constant, size_t axis, const Order& order) {
  TINYML_CHECK(axis < constant.shape.size() && static_cast<size_t>(constant.shape[axis]) == order.size());
  size_t inner = static_cast<size_t>(bits_of(constant.type)) / 8;
  for (size_t i = axis + 1; i < constant.shape.size(); ++i) inner *= static_cast<size_t>(constant.shape[i]);
  const size_t row = inner * order.size();
  std::vector<std::byte> bytes(constant.buffer.size());
  for (size_t start = 0; start + row <= bytes.size(); start += row) {
    for (size_t p = 0; p < order.size(); ++p) {
      std::memcpy(&bytes[start + p * inner], constant.buffer.data() + start + static_cast<size_t>(order[p]) * inner,
                  inner);
    }
  }
  Tensor result = constant;
  result.buffer = Buffer::of(std::move(bytes));
  Quantization& q = result.quantization;
  if (q.per_channel() && static_cast<size_t>(q.quantized_dimension) == axis) {
    q.scale = permuted(q.scale, order);
    q.zero_point = permuted(q.zero_point, order);
  }
  return result;
}

bool can_reorder_outputs(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.op != Op::CONV_2D && op.op != Op::FULLY_CONNECTED && op.op != Op::TRANSPOSE_CONV) return false;
  if (!is_plain_constant(editor, op, 1) || !has_usable_bias(editor, op)) return false;
  const Tensor& weights = editor.tensor(op.inputs[1]);
  if (op.op == Op::CONV_2D && weights.shape[3] != editor.tensor(op.inputs[0]).shape.back()) return false;
  const Tensor& out = editor.tensor(op.outputs[0]);
  return !out.shape.empty() && weights.shape[0] == out.shape.back();
}

void reorder_outputs(Editor& editor, int o, const Order& order) {
  reorder_constant(editor, o, 1, 0, order);
  reorder_constant(editor, o, bias_slot(editor.op(o).op), 0, order);
}

bool can_reorder_inputs(const Editor& editor, int o, int slot) {
  const Operator& op = editor.op(o);
  const int data = op.op == Op::TRANSPOSE_CONV ? 2 : 0;
  if (slot != data || !is_plain_constant(editor, op, 1)) return false;
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const Tensor& x = editor.tensor(op.inputs[static_cast<size_t>(slot)]);
  if (x.shape.empty()) return false;
  if (op.op == Op::CONV_2D || op.op == Op::TRANSPOSE_CONV) return weights.shape[3] == x.shape.back();
  // A flattened image has its channels innermost.
  return op.op == Op::FULLY_CONNECTED && weights.rank() == 2 && weights.shape[1] % x.shape.back() == 0;
}

void reorder_inputs(Editor& editor, int o, const Order& order) {
  const Operator& op = editor.op(o);
  if (op.op != Op::FULLY_CONNECTED) return reorder_constant(editor, o, 1, 3, order);
  const auto columns = static_cast<size_t>(editor.tensor(op.inputs[1]).shape[1]);
  Order all;
  for (size_t block = 0; block < columns; block += order.size()) {
    for (const int channel : order) all.push_back(static_cast<int>(block) + channel);
  }
  reorder_constant(editor, o, 1, 1, all);
}

int channel_multiplier(const Editor& editor, int o) {
  const auto* depthwise = std::get_if<DepthwiseConv2DOptions>(&editor.op(o).options);
  return depthwise == nullptr ? 1 : depthwise->depth_multiplier;
}

bool is_channelwise(const Editor& editor, int o, int slot) {
  const Operator& op = editor.op(o);
  if (op.outputs.size() != 1 || op.channels_first) return false;
  const Tensor& x = editor.tensor(op.inputs[static_cast<size_t>(slot)]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  if (x.rank() == 0 || out.rank() == 0 || x.quantization.per_channel() || out.quantization.per_channel()) return false;
  if (out.shape.back() != x.shape.back() * channel_multiplier(editor, o)) return false;
  if (is_unary_elementwise(op.op)) return true;
  switch (op.op) {
    case Op::DEPTHWISE_CONV_2D:
      return slot == 0 && is_plain_constant(editor, op, 1) && has_usable_bias(editor, op);
    case Op::MAX_POOL_2D:
    case Op::AVERAGE_POOL_2D:
    case Op::L2_POOL_2D:
    case Op::RESIZE_BILINEAR:
    case Op::RESIZE_NEAREST_NEIGHBOR:
      return slot == 0;
    case Op::PAD:
    case Op::PADV2:
    case Op::MIRROR_PAD: {
      const auto amounts = constant_integers(editor.subgraph(), op, 1);
      return slot == 0 && amounts && amounts->size() >= 2 && (*amounts)[amounts->size() - 1] == 0 &&
             (*amounts)[amounts->size() - 2] == 0;
    }
    case Op::MEAN:
    case Op::SUM:
    case Op::REDUCE_MAX:
    case Op::REDUCE_MIN:
      return slot == 0 && reduces_spatially(editor, op);
    case Op::ADD:
    case Op::SUB:
    case Op::MUL:
    case Op::DIV:
    case Op::MAXIMUM:
    case Op::MINIMUM:
    case Op::PRELU: {
      const auto other = static_cast<size_t>(1 - slot);
      const Tensor& operand = editor.tensor(op.inputs[other]);
      if (x.rank() < operand.rank()) return false;
      return operand.rank() == 0 || operand.shape.back() == 1 || is_plain_constant(editor, op, other);
    }
    default:
      return false;
  }
}

void reorder_channels(Editor& editor, int o, int slot, const Order& order) {
  const Operator& op = editor.op(o);
  if (op.op == Op::DEPTHWISE_CONV_2D) {
    const Order all = widened(order, channel_multiplier(editor, o));
    reorder_constant(editor, o, 1, 3, all);
    reorder_constant(editor, o, 2, 0, all);
    return;
  }
  if (op.inputs.size() != 2 || op.op == Op::PAD || op.op == Op::MIRROR_PAD || op.op == Op::MEAN || op.op == Op::SUM ||
      op.op == Op::REDUCE_MAX || op.op == Op::REDUCE_MIN || op.op == Op::RESIZE_BILINEAR ||
      op.op == Op::RESIZE_NEAREST_NEIGHBOR) {
    return;
  }
  const auto other = static_cast<size_t>(1 - slot);
  const Tensor& operand = editor.tensor(op.inputs[other]);
  if (operand.rank() == 0 || operand.shape.back() == 1) return;
  reorder_constant(editor, o, other, operand.shape.size() - 1, order);
}

}  // namespace tinyml::tflite
