#include "tflite/layout/operator_layout.h"

#include <algorithm>

#include "tflite/constant_values.h"
#include "tflite/layout/reshape_order.h"
#include "tflite/operator_traits.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

// Orders of the operands of operators with a fixed dimension order: what input and output want as stored, in terms of
// the logical order that tflite.h documents.
std::vector<Order> channels_first_inputs(Op op, size_t count) {
  std::vector<Order> orders(count);
  const auto set = [&](size_t i, Order order) {
    if (i < count) orders[i] = std::move(order);
  };
  switch (op) {
    case Op::CONV_2D:
      set(0, {0, 2, 3, 1}), set(1, {0, 2, 3, 1});
      break;
    case Op::DEPTHWISE_CONV_2D:
      set(0, {0, 2, 3, 1}), set(1, {1, 2, 3, 0});
      break;
    case Op::TRANSPOSE_CONV:
      set(1, {1, 2, 3, 0}), set(2, {0, 2, 3, 1});
      break;
    case Op::CONV_3D:
      set(0, {0, 2, 3, 4, 1}), set(1, {2, 3, 4, 1, 0});
      break;
    case Op::CONV_3D_TRANSPOSE:
      set(1, {2, 3, 4, 1, 0}), set(2, {0, 2, 3, 4, 1});
      break;
    case Op::MAX_POOL_2D:
    case Op::AVERAGE_POOL_2D:
    case Op::L2_POOL_2D:
    case Op::RESIZE_BILINEAR:
    case Op::RESIZE_NEAREST_NEIGHBOR:
    case Op::DEPTH_TO_SPACE:
    case Op::SPACE_TO_DEPTH:
      set(0, {0, 2, 3, 1});
      break;
    default:
      throw Error("operator " + std::string(to_string(op)) + " has no channels-first form");
  }
  return orders;
}

// The order of the frame that gives an operand (whose axis k is frame axis axes[k]) the order `order`. Frame axes that
// the operand lacks go behind their predecessor.
Order frame_order(const std::vector<int>& axes, int rank, const Order& order) {
  Order result;
  for (int axis : order) result.push_back(axes[static_cast<size_t>(axis)]);
  for (int axis = 0; axis < rank; ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    const auto before = std::find(result.begin(), result.end(), axis - 1);
    result.insert(before == result.end() ? result.begin() : before + 1, axis);
  }
  return result;
}

Order operand_order(const std::vector<int>& axes, const Order& frame) {
  Order result;
  for (int axis : frame) {
    const auto at = std::find(axes.begin(), axes.end(), axis);
    if (at != axes.end()) result.push_back(static_cast<int>(at - axes.begin()));
  }
  return result;
}

// A TRANSPOSE with constant permutation is a frame whose output's axes are permuted.
std::optional<AxisFrame> transpose_frame(const Subgraph& subgraph, const Operator& op) {
  const auto permutation = constant_integers(subgraph, op, 1);
  const int rank = subgraph.tensors[static_cast<size_t>(op.inputs[0])].rank();
  if (!permutation) return std::nullopt;
  Order order;
  for (int64_t axis : *permutation) order.push_back(normalized_axis(axis, rank));
  if (!is_permutation_of_axes(order, rank)) throw Error("a TRANSPOSE's permutation is none of its input's axes");
  AxisFrame frame;
  frame.rank = rank;
  frame.inputs.resize(op.inputs.size());
  frame.inputs[0] = identity_order(rank);
  frame.outputs = {order};
  return frame;
}

// A SHAPE of which single sizes are read only runs in any order: the readers look elsewhere.
std::optional<AxisFrame> shape_frame(const Subgraph& subgraph, const Uses& uses, const Operator& op) {
  for (const Use& use : uses.consumers[static_cast<size_t>(op.outputs[0])]) {
    if (use.op == kGraphOutput || use.input != 0) return std::nullopt;
    const Operator& reader = subgraph.operators[static_cast<size_t>(use.op)];
    const auto* options = std::get_if<StridedSliceOptions>(&reader.options);
    if (reader.op != Op::STRIDED_SLICE || options == nullptr || !(*options == StridedSliceOptions{})) {
      return std::nullopt;
    }
    const auto begin = constant_integers(subgraph, reader, 1);
    const auto end = constant_integers(subgraph, reader, 2);
    if (!begin || !end || begin->size() != 1 || (*begin)[0] < 0 || (*end)[0] != (*begin)[0] + 1) return std::nullopt;
  }
  AxisFrame frame;
  frame.rank = subgraph.tensors[static_cast<size_t>(op.inputs[0])].rank();
  frame.inputs = {identity_order(frame.rank)};
  frame.outputs = {std::nullopt};
  return frame;
}

Order swapped_matrix(Order order) {
  std::swap(order.back(), order[order.size() - 2]);
  return order;
}

// BATCH_MATMUL reads its second operand either way round for nothing. The transposed product is the product of the
// transposed operands in the other order (assign_layout exchanges them), which leaves the same choice for the first
// one. Constants stay where they are: runtimes prepare them as second operands.
void add_products(const Operator& op, bool exchangeable, std::vector<LayoutConfig>& configs) {
  const LayoutConfig plain = configs[0];
  if (plain.inputs[0].size() < 2 || plain.inputs[1].size() < 2 || plain.outputs[0].size() < 2) return;
  LayoutConfig other = plain;
  other.inputs[1] = swapped_matrix(plain.inputs[1]);
  configs.push_back(other);
  const auto* options = std::get_if<BatchMatMulOptions>(&op.options);
  if (!exchangeable || options == nullptr || options->adj_x) return;
  LayoutConfig exchanged = plain;
  exchanged.outputs[0] = swapped_matrix(plain.outputs[0]);
  if (!options->adj_y) exchanged.inputs[1] = other.inputs[1];
  configs.push_back(exchanged);
  exchanged.inputs[0] = swapped_matrix(plain.inputs[0]);
  configs.push_back(exchanged);
}

}  // namespace

OperatorLayouts::OperatorLayouts(const Subgraph& subgraph, const Uses& uses) : subgraph_(subgraph), uses_(uses) {
  frames_.reserve(subgraph.operators.size());
  for (const Operator& op : subgraph.operators) {
    if (!op.channels_first && touches_opaque(subgraph, op)) {
      frames_.emplace_back();
      continue;
    }
    if (op.op == Op::TRANSPOSE) {
      frames_.push_back(transpose_frame(subgraph, op));
    } else if (op.op == Op::SHAPE) {
      frames_.push_back(shape_frame(subgraph, uses, op));
    } else {
      frames_.push_back(axis_frame(subgraph, op));
    }
  }
}

LayoutConfig OperatorLayouts::identity_config(int o) const {
  const Operator& op = subgraph_.operators[static_cast<size_t>(o)];
  LayoutConfig config;
  for (int id : op.inputs) {
    const int rank = id == kNoTensor ? 0 : subgraph_.tensors[static_cast<size_t>(id)].rank();
    config.inputs.push_back(rank >= 2 ? identity_order(rank) : Order{});
  }
  for (int id : op.outputs) {
    const int rank = subgraph_.tensors[static_cast<size_t>(id)].rank();
    config.outputs.push_back(rank >= 2 ? identity_order(rank) : Order{});
  }
  return config;
}

std::vector<LayoutConfig> OperatorLayouts::own_configs(int o) const {
  const Operator& op = subgraph_.operators[static_cast<size_t>(o)];
  if (op.channels_first) {
    LayoutConfig config;
    config.inputs = channels_first_inputs(op.op, op.inputs.size());
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      if (config.inputs[i].empty() || op.inputs[i] == kNoTensor) continue;
      const Tensor& tensor = subgraph_.tensors[static_cast<size_t>(op.inputs[i])];
      if (tensor.rank() != static_cast<int>(config.inputs[i].size())) {
        throw Error("operand '" + tensor.name + "' of a channels-first " + std::string(to_string(op.op)) +
                    " has rank " + std::to_string(tensor.rank()) + " instead of " +
                    std::to_string(config.inputs[i].size()));
      }
    }
    for (int id : op.outputs) {
      config.outputs.push_back(channels_last_order(subgraph_.tensors[static_cast<size_t>(id)].rank()));
    }
    return {config};
  }
  const auto& frame = frames_[static_cast<size_t>(o)];
  if (frame && !frame->last_axis_stays) return {};
  std::vector<LayoutConfig> configs = {identity_config(o)};
  if (op.op == Op::BATCH_MATMUL && op.inputs.size() == 2 && !touches_opaque(subgraph_, op)) {
    const bool exchangeable = std::none_of(op.inputs.begin(), op.inputs.end(), [&](int id) {
      return subgraph_.tensors[static_cast<size_t>(id)].is_constant();
    });
    add_products(op, exchangeable, configs);
  }
  return configs;
}

std::optional<LayoutConfig> OperatorLayouts::follow(int o, bool is_input, size_t slot, const Order& order) const {
  const Operator& op = subgraph_.operators[static_cast<size_t>(o)];
  if (op.op == Op::RESHAPE) {
    const bool computed = op.inputs.size() > 1 && !constant_integers(subgraph_, op, 1);
    const bool fixed = slot != 0 || computed || touches_opaque(subgraph_, op);
    return fixed ? std::nullopt : follow_reshape(o, is_input, order);
  }
  const auto& frame = frames_[static_cast<size_t>(o)];
  if (!frame) {  // Fixed, but perhaps with a choice.
    const std::vector<LayoutConfig> choices = op.op == Op::BATCH_MATMUL ? own_configs(o) : std::vector<LayoutConfig>{};
    for (const LayoutConfig& choice : choices) {
      if ((is_input ? choice.inputs[slot] : choice.outputs[slot]) == order) return choice;
    }
    return std::nullopt;
  }
  const auto& axes = is_input ? frame->inputs[slot] : frame->outputs[slot];
  if (!axes || axes->size() != order.size()) return std::nullopt;
  Order whole = frame_order(*axes, frame->rank, order);
  if (frame->last_axis_stays && !whole.empty() && whole.back() != frame->rank - 1) {
    // An axis of size 1 is anywhere.
    const int id = is_input ? op.inputs[slot] : op.outputs[slot];
    const Tensor& operand = subgraph_.tensors[static_cast<size_t>(id)];
    if (operand.rank() != frame->rank || !is_unit_axis(operand, frame->rank - 1)) return std::nullopt;
    std::erase(whole, frame->rank - 1);
    whole.push_back(frame->rank - 1);
  }
  LayoutConfig config;
  for (size_t i = 0; i < frame->inputs.size(); ++i) {
    config.inputs.push_back(frame->inputs[i] ? operand_order(*frame->inputs[i], whole) : Order{});
  }
  for (const auto& out : frame->outputs) config.outputs.push_back(out ? operand_order(*out, whole) : Order{});
  // Operands outside the frame that have an order of their own keep it (weights, indices of rank 2).
  const LayoutConfig identity = identity_config(o);
  for (size_t i = 0; i < config.inputs.size(); ++i) {
    if (!frame->inputs[i]) config.inputs[i] = identity.inputs[i];
  }
  return config;
}

std::optional<LayoutConfig> OperatorLayouts::follow_reshape(int o, bool is_input, const Order& order) const {
  const Operator& op = subgraph_.operators[static_cast<size_t>(o)];
  const Tensor& from = subgraph_.tensors[static_cast<size_t>(op.inputs[0])];
  const Tensor& to = subgraph_.tensors[static_cast<size_t>(op.outputs[0])];
  LayoutConfig config = identity_config(o);
  const auto other = is_input ? order_after_reshape(from, to, order) : order_after_reshape(to, from, order);
  if (other) {
    config.inputs[0] = is_input ? order : *other;
    config.outputs[0] = is_input ? *other : order;
    return config;
  }
  if (!is_input) return std::nullopt;
  const auto columns = flattened_columns(o, order);
  if (!columns) return std::nullopt;
  config.inputs[0] = order;
  config.columns = *columns;
  return config;
}

std::optional<Order> OperatorLayouts::flattened_columns(int o, const Order& order) const {
  const Operator& op = subgraph_.operators[static_cast<size_t>(o)];
  const Tensor& from = subgraph_.tensors[static_cast<size_t>(op.inputs[0])];
  const Tensor& to = subgraph_.tensors[static_cast<size_t>(op.outputs[0])];
  const auto groups = match_axes(from, to);
  if (!groups || groups->empty()) return std::nullopt;
  const AxisGroup& last = groups->back();
  if (last.to != std::vector<int>{to.rank() - 1}) return std::nullopt;
  if (!flattened_weights(subgraph_, uses_, o)) return std::nullopt;
  const Order stored = order_key(from, order);
  const size_t kept = stored.size() - last.from.size();
  size_t at = 0;
  for (size_t g = 0; g + 1 < groups->size(); ++g) {  // The leading axes must be stored as they are.
    for (int axis : (*groups)[g].from) {
      if (stored[at++] != axis) return std::nullopt;
    }
  }
  return Order(stored.begin() + static_cast<std::ptrdiff_t>(kept), stored.end());
}

std::optional<Use> flattened_weights(const Subgraph& subgraph, const Uses& uses, int reshape) {
  const int flat = subgraph.operators[static_cast<size_t>(reshape)].outputs[0];
  const auto& consumers = uses.consumers[static_cast<size_t>(flat)];
  if (consumers.size() != 1 || consumers[0].op == kGraphOutput || consumers[0].input != 0) return std::nullopt;
  const Operator& linear = subgraph.operators[static_cast<size_t>(consumers[0].op)];
  if (linear.op != Op::FULLY_CONNECTED) return std::nullopt;
  Use at{consumers[0].op, 1};
  while (true) {
    const Operator& reader = subgraph.operators[static_cast<size_t>(at.op)];
    const int id = reader.inputs[static_cast<size_t>(at.input)];
    const Tensor& tensor = subgraph.tensors[static_cast<size_t>(id)];
    if (tensor.rank() != 2 || (tensor.quantization.per_channel() && tensor.quantization.quantized_dimension != 0)) {
      return std::nullopt;
    }
    if (tensor.is_constant()) return bits_of(tensor.type) % 8 == 0 ? std::optional<Use>(at) : std::nullopt;
    const int producer = uses.producer[static_cast<size_t>(id)];
    if (producer == kNoProducer || uses.consumers[static_cast<size_t>(id)].size() != 1) return std::nullopt;
    const Op op = subgraph.operators[static_cast<size_t>(producer)].op;
    if (op != Op::QUANTIZE && op != Op::DEQUANTIZE) return std::nullopt;
    at = {producer, 0};
  }
}

}  // namespace tinyml::tflite
