#include <algorithm>

#include "tflite/constant_values.h"
#include "tflite/layout/order.h"
#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

bool is_reshape(Op op) { return op == Op::RESHAPE || op == Op::SQUEEZE || op == Op::EXPAND_DIMS; }

// A shape that is computed when the model runs must stay.
bool has_known_shape(const Subgraph& subgraph, const Operator& op) {
  return op.op != Op::RESHAPE || op.inputs.size() < 2 || constant_integers(subgraph, op, 1).has_value();
}

// Whether every value of the one type is a value of the other.
bool holds_all_of(Type wide, Type narrow) {
  switch (narrow) {
    case Type::BOOL:
    case Type::INT8:
    case Type::UINT8:
    case Type::INT16:
      return wide == Type::INT32 || wide == Type::INT64 || wide == Type::FLOAT32;
    case Type::INT32:
      return wide == Type::INT64;
    case Type::FLOAT16:
      return wide == Type::FLOAT32;
    default:
      return false;
  }
}

bool is_per_tensor(const Tensor& tensor) { return !tensor.quantization.per_channel(); }

bool same_values(const Tensor& a, const Tensor& b) {
  return a.type == b.type && a.quantization == b.quantization && !a.quantization.per_channel();
}

bool merge_reshapes(Editor& editor, int o, int before) {
  const Subgraph& subgraph = editor.subgraph();
  const Operator& op = editor.op(o);
  const bool merges = has_known_shape(subgraph, op) && is_per_tensor(editor.tensor(op.outputs[0])) &&
                      is_reshape_by_output(subgraph, op);
  if (!merges) return false;
  editor.set_inputs(o, {editor.op(before).inputs[0]});
  editor.become(o, Op::RESHAPE, ReshapeOptions{});
  return true;
}

bool merge_casts(Editor& editor, int o, int before) {
  const Operator& op = editor.op(o);
  const int x = editor.op(before).inputs[0];
  const Type from = editor.tensor(x).type;
  if (!holds_all_of(editor.tensor(op.inputs[0]).type, from)) return false;
  editor.become(o, Op::CAST, CastOptions{from, editor.tensor(op.outputs[0]).type});
  editor.set_inputs(o, {x});
  return true;
}

bool merge_transposes(Editor& editor, int o, int before) {
  const Operator& op = editor.op(o);
  const auto a = constant_integers(editor.subgraph(), editor.op(before), 1);
  const auto b = constant_integers(editor.subgraph(), op, 1);
  if (!a || !b || a->size() != b->size()) return false;
  std::vector<int32_t> combined;
  const int rank = static_cast<int>(a->size());
  for (int64_t axis : *b) {
    const int64_t inner = (*a)[static_cast<size_t>(normalized_axis(axis, rank))];
    combined.push_back(normalized_axis(inner, rank));
  }
  Tensor permutation = editor.tensor(op.inputs[1]);
  permutation.type = Type::INT32;
  permutation.buffer = Buffer::of(combined);
  const int x = editor.op(before).inputs[0];
  editor.set_inputs(o, {x, editor.add_tensor(std::move(permutation))});
  return true;
}

// The operator reads x, and these integers in the place and the shape of its second operand.
void read_instead(Editor& editor, int o, int x, std::vector<int32_t> integers) {
  Tensor operand = editor.tensor(editor.op(o).inputs[1]);
  operand.type = Type::INT32;
  operand.buffer = Buffer::of(std::move(integers));
  editor.set_inputs(o, {x, editor.add_tensor(std::move(operand))});
}

// PAD of PAD: the paddings add up. Not of PADV2, whose values would have to be compared.
bool merge_pads(Editor& editor, int o, int before) {
  const Operator& op = editor.op(o);
  const int x = editor.op(before).inputs[0];
  const auto a = constant_integers(editor.subgraph(), editor.op(before), 1);
  const auto b = constant_integers(editor.subgraph(), op, 1);
  if (!a || !b || a->size() != b->size() || !same_values(editor.tensor(x), editor.tensor(op.outputs[0]))) return false;
  std::vector<int32_t> sum;
  for (size_t i = 0; i < a->size(); ++i) sum.push_back(static_cast<int32_t>((*a)[i] + (*b)[i]));
  read_instead(editor, o, x, std::move(sum));
  return true;
}

// The same axes twice: as it was. remove_identities takes the RESHAPE away.
bool cancel_reversals(Editor& editor, int o, int before) {
  const Operator& op = editor.op(o);
  const int x = editor.op(before).inputs[0];
  const auto axes_of = [&](const Operator& reverse) {
    std::vector<int64_t> axes = constant_integers(editor.subgraph(), reverse, 1).value_or(std::vector<int64_t>{});
    for (int64_t& axis : axes) axis = normalized_axis(axis, editor.tensor(x).rank());
    std::sort(axes.begin(), axes.end());
    return axes;
  };
  const std::vector<int64_t> axes = axes_of(op);
  if (axes.empty() || axes != axes_of(editor.op(before))) return false;
  if (!same_kind(editor.tensor(x), editor.tensor(op.outputs[0]))) return false;
  const Shape& signature = editor.tensor(x).shape_signature;
  if (std::count(signature.begin(), signature.end(), -1) > 1) return false;
  editor.set_inputs(o, {x});
  editor.become(o, Op::RESHAPE, ReshapeOptions{});
  return true;
}

// GATHER of GATHER along one axis: the indices that the second one picks.
bool merge_gathers(Editor& editor, int o, int before) {
  const Operator& op = editor.op(o);
  const Operator& first = editor.op(before);
  const auto& a = std::get<GatherOptions>(first.options);
  const auto& b = std::get<GatherOptions>(op.options);
  const int x = first.inputs[0];
  const int rank = editor.tensor(x).rank();
  if (editor.tensor(first.inputs[1]).rank() != 1 || a.batch_dims != 0 || b.batch_dims != 0) return false;
  if (normalized_axis(a.axis, rank) != normalized_axis(b.axis, rank)) return false;
  const auto inner = constant_integers(editor.subgraph(), first, 1);
  const auto outer = constant_integers(editor.subgraph(), op, 1);
  if (!inner || !outer || !same_values(editor.tensor(x), editor.tensor(op.outputs[0]))) return false;
  std::vector<int32_t> picked;
  for (const int64_t index : *outer) {
    if (index < 0 || index >= static_cast<int64_t>(inner->size())) return false;
    picked.push_back(static_cast<int32_t>((*inner)[static_cast<size_t>(index)]));
  }
  read_instead(editor, o, x, std::move(picked));
  return true;
}

bool merge_broadcasts(Editor& editor, int o, int before) {
  const Operator& op = editor.op(o);
  const int x = editor.op(before).inputs[0];
  if (!constant_integers(editor.subgraph(), op, 1) || !same_values(editor.tensor(x), editor.tensor(op.outputs[0]))) {
    return false;
  }
  editor.set_input(o, 0, x);
  return true;
}

bool merge(Editor& editor, int o, int before) {
  const Op op = editor.op(o).op;
  const Op first = editor.op(before).op;
  if (is_reshape(op) && is_reshape(first)) return merge_reshapes(editor, o, before);
  if (op != first) return false;
  switch (op) {
    case Op::CAST:
      return merge_casts(editor, o, before);
    case Op::TRANSPOSE:
      return merge_transposes(editor, o, before);
    case Op::PAD:
      return merge_pads(editor, o, before);
    case Op::REVERSE_V2:
      return cancel_reversals(editor, o, before);
    case Op::GATHER:
      return merge_gathers(editor, o, before);
    case Op::BROADCAST_TO:
      return merge_broadcasts(editor, o, before);
    default:
      return false;
  }
}

}  // namespace

int merge_chains(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {  // In execution order: what is before is merged already.
    const Operator& op = editor.op(o);
    if (op.inputs.empty() || op.inputs[0] == kNoTensor) continue;
    const int before = editor.producer(op.inputs[0]);
    if (before == kNoProducer || editor.op(before).outputs.size() != 1) continue;
    changes += merge(editor, o, before) ? 1 : 0;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
