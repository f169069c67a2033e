#include "tflite/layout/rewrite_operator.h"

#include "tflite/constant_values.h"
#include "tflite/made_like.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

class Rewriter {
 public:
  Rewriter(Subgraph& subgraph, Operator& op) : subgraph_(subgraph), op_(op) {}

  // Input `slot` holds one axis or several: each moves to its place. Operators whose axes are computed are pinned.
  void move_axes(size_t slot, const Order& order) {
    if (is_identity(order) && !constant_integers(subgraph_, op_, slot)) return;
    std::vector<int64_t> values = integers(slot);
    for (int64_t& axis : values) axis = place(axis, order);
    replace(slot, values);
  }

  // Input `slot` holds `width` numbers for each axis, axis after axis.
  void permute_rows(size_t slot, const Order& order, size_t width = 1) {
    if (is_identity(order)) return;
    if (!constant_integers(subgraph_, op_, slot)) return permute_computed_rows(slot, order);
    const std::vector<int64_t> values = integers(slot);
    if (values.size() != order.size() * width) {
      throw Error(std::string(to_string(op_.op)) + ": an attribute has " + std::to_string(values.size()) +
                  " values for a tensor of rank " + std::to_string(order.size()));
    }
    std::vector<int64_t> result;
    for (int axis : order) {
      for (size_t i = 0; i < width; ++i) result.push_back(values[static_cast<size_t>(axis) * width + i]);
    }
    replace(slot, result);
  }

  // The same for rows that are computed at run time.
  void permute_computed_rows(size_t slot, const Order& order) {
    Tensor changed = made_like(subgraph_.tensors[static_cast<size_t>(op_.inputs[slot])]);
    changed.name += "_ordered";
    const int result = subgraph_.add_tensor(changed);
    if (changed.rank() != 1) {
      const int rows = subgraph_.add_constant("order", std::vector<int32_t>(order.begin(), order.end()));
      subgraph_.add_operator(Op::GATHER, {op_.inputs[slot], rows}, {result}, GatherOptions{});
    } else {  // Operators that the runtime computes when it allocates tensors, which GATHER is not.
      std::vector<int> parts;
      for (const int axis : order) {
        Tensor element = changed;
        element.shape = {1};
        const int begin = subgraph_.add_constant("begin", std::vector<int32_t>{axis});
        const int end = subgraph_.add_constant("end", std::vector<int32_t>{axis + 1});
        const int stride = subgraph_.add_constant("stride", std::vector<int32_t>{1});
        parts.push_back(subgraph_.add_tensor(std::move(element)));
        subgraph_.add_operator(Op::STRIDED_SLICE, {op_.inputs[slot], begin, end, stride}, {parts.back()},
                               StridedSliceOptions{});
      }
      subgraph_.add_operator(Op::CONCATENATION, parts, {result}, ConcatenationOptions{});
    }
    op_.inputs[slot] = result;
  }

  static int32_t place(int64_t axis, const Order& order) {
    const int wanted = normalized_axis(axis, static_cast<int>(order.size()));
    return inverse(order)[static_cast<size_t>(wanted)];
  }

  static int32_t permute_bits(int32_t mask, const Order& order) {
    int32_t result = 0;
    for (size_t i = 0; i < order.size(); ++i) result |= (mask >> order[i] & 1) << i;
    return result;
  }

 private:
  std::vector<int64_t> integers(size_t slot) {
    auto values = constant_integers(subgraph_, op_, slot);
    TINYML_CHECK(values.has_value());
    return *values;
  }

  void replace(size_t slot, const std::vector<int64_t>& values) {
    Tensor changed = subgraph_.tensors[static_cast<size_t>(op_.inputs[slot])];
    if (changed.type == Type::INT32) {
      changed.buffer = Buffer::of(std::vector<int32_t>(values.begin(), values.end()));
    } else {
      changed.buffer = Buffer::of(values);
    }
    op_.inputs[slot] = subgraph_.add_tensor(std::move(changed));
  }

  Subgraph& subgraph_;
  Operator& op_;
};

}  // namespace

void reorder_size(Subgraph& subgraph, Operator& op, const Order& order) {
  const auto axis = constant_integers(subgraph, op, 1);
  TINYML_CHECK(axis && axis->size() == 1);
  const int32_t place = inverse(order)[static_cast<size_t>(axis->front())];
  op.inputs[1] = subgraph.add_constant("begin", std::vector<int32_t>{place});
  op.inputs[2] = subgraph.add_constant("end", std::vector<int32_t>{place + 1});
}

void rewrite_attributes(Subgraph& subgraph, Operator& op, const LayoutConfig& config) {
  const size_t operand = op.op == Op::SPLIT ? 1 : 0;
  if (config.inputs.size() <= operand) return;  // Of unknown meaning, or without operands.
  // Vectors have no order.
  if (!op.channels_first && (op.op == Op::PACK ? config.outputs[0] : config.inputs[operand]).empty()) return;
  Rewriter rewrite(subgraph, op);
  if (op.channels_first) {
    // output_shape of the transposed convolutions is an attribute in logical order.
    if (op.op == Op::TRANSPOSE_CONV || op.op == Op::CONV_3D_TRANSPOSE) rewrite.permute_rows(0, config.inputs[2]);
    op.channels_first = false;
    return;
  }
  switch (op.op) {
    case Op::CONCATENATION:
      std::get<ConcatenationOptions>(op.options).axis =
          Rewriter::place(std::get<ConcatenationOptions>(op.options).axis, config.outputs[0]);
      break;
    case Op::PACK:
      std::get<PackOptions>(op.options).axis =
          Rewriter::place(std::get<PackOptions>(op.options).axis, config.outputs[0]);
      break;
    case Op::UNPACK:
      std::get<UnpackOptions>(op.options).axis =
          Rewriter::place(std::get<UnpackOptions>(op.options).axis, config.inputs[0]);
      break;
    case Op::GATHER:
      if (config.inputs[0].empty() || is_identity(config.inputs[0])) break;
      std::get<GatherOptions>(op.options).axis =
          Rewriter::place(std::get<GatherOptions>(op.options).axis, config.inputs[0]);
      break;
    case Op::SPLIT:
      rewrite.move_axes(0, config.inputs[1]);
      break;
    case Op::SPLIT_V:
      rewrite.move_axes(2, config.inputs[0]);
      break;
    case Op::MEAN:
    case Op::SUM:
    case Op::REDUCE_MAX:
    case Op::REDUCE_MIN:
    case Op::REDUCE_PROD:
    case Op::REDUCE_ANY:
    case Op::REDUCE_ALL:
    case Op::ARG_MAX:
    case Op::ARG_MIN:
    case Op::CUMSUM:
    case Op::REVERSE_V2:
      rewrite.move_axes(1, config.inputs[0]);
      break;
    case Op::SLICE:
      rewrite.permute_rows(1, config.inputs[0]);
      rewrite.permute_rows(2, config.inputs[0]);
      break;
    case Op::PAD:
    case Op::PADV2:
    case Op::MIRROR_PAD:
      rewrite.permute_rows(1, config.inputs[0], 2);
      break;
    case Op::TILE:
    case Op::BROADCAST_TO:
      rewrite.permute_rows(1, config.inputs[0]);
      break;
    case Op::STRIDED_SLICE: {
      for (size_t slot = 1; slot < 4; ++slot) rewrite.permute_rows(slot, config.inputs[0]);
      auto& options = std::get<StridedSliceOptions>(op.options);
      for (int32_t* mask : {&options.begin_mask, &options.end_mask, &options.shrink_axis_mask}) {
        *mask = Rewriter::permute_bits(*mask, config.inputs[0]);
      }
      break;
    }
    case Op::BATCH_MATMUL:
      if (!config.outputs[0].empty() && !is_identity(config.outputs[0])) {  // The operands are exchanged.
        std::get<BatchMatMulOptions>(op.options).adj_y = is_identity(config.inputs[0]);
      } else if (!config.inputs[1].empty() && !is_identity(config.inputs[1])) {
        auto& options = std::get<BatchMatMulOptions>(op.options);
        options.adj_y = !options.adj_y;
      }
      break;
    default:
      break;
  }
}

}  // namespace tinyml::tflite
