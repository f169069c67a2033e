#include <algorithm>
#include <cmath>

#include "tflite/constant_values.h"
#include "tflite/layout/order.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

bool all_equal(const Tensor& tensor, float value) {
  if (!tensor.is_constant() || tensor.type != Type::FLOAT32) return false;
  const auto values = tensor.buffer.as<float>();
  return std::all_of(values.begin(), values.end(), [&](float x) { return x == value; });
}

// Whether a SLICE, TILE or BROADCAST_TO between tensors of one shape leaves the axes of unknown size alone too.
bool keeps_unknown_sizes(const Editor& editor, const Operator& op) {
  const Shape& signature = editor.tensor(op.outputs[0]).shape_signature;
  if (std::none_of(signature.begin(), signature.end(), [](int32_t size) { return size < 0; })) return true;
  if (op.op == Op::BROADCAST_TO) return false;                         // A size of 1 may grow.
  const auto attribute = constant_integers(editor.subgraph(), op, 1);  // Where to begin, or how often.
  if (!attribute || attribute->size() != signature.size()) return false;
  const int64_t neutral = op.op == Op::TILE ? 1 : 0;
  if (std::any_of(attribute->begin(), attribute->end(), [&](int64_t v) { return v != neutral; })) return false;
  if (op.op == Op::TILE) return true;
  const auto sizes = constant_integers(editor.subgraph(), op, 2);
  if (!sizes || sizes->size() != signature.size()) return false;
  for (size_t i = 0; i < signature.size(); ++i) {
    if (signature[i] < 0 && (*sizes)[i] != -1) return false;
  }
  return true;
}

// Whether a condition holds for all elements or for none.
bool all_are(const Tensor& condition, bool value) {
  if (!condition.is_constant() || condition.type != Type::BOOL) return false;
  const auto values = condition.buffer.as<uint8_t>();
  return !values.empty() && std::all_of(values.begin(), values.end(), [&](uint8_t v) { return (v != 0) == value; });
}

// Which input the operator returns unchanged, or -1.
int returned_input(const Editor& editor, const Operator& op) {
  const auto zeros = [&](size_t slot) {
    const auto values = constant_integers(editor.subgraph(), op, slot);
    return values && std::all_of(values->begin(), values->end(), [](int64_t v) { return v == 0; });
  };
  const auto* arithmetic = std::get_if<ArithmeticOptions>(&op.options);
  const bool plain = arithmetic != nullptr && arithmetic->activation == Activation::NONE;
  switch (op.op) {
    case Op::RESHAPE:
    case Op::SQUEEZE:
    case Op::EXPAND_DIMS:
    case Op::CAST:
      return 0;
    case Op::TILE:
    case Op::BROADCAST_TO:
    case Op::SLICE:  // Equal sizes: everything.
      return keeps_unknown_sizes(editor, op) ? 0 : -1;
    case Op::QUANTIZE:  // Equal types and scales, as the caller checks.
      return 0;
    case Op::TRANSPOSE: {
      const auto permutation = constant_integers(editor.subgraph(), op, 1);
      return permutation && std::is_sorted(permutation->begin(), permutation->end()) ? 0 : -1;
    }
    case Op::PAD:
    case Op::PADV2:
    case Op::MIRROR_PAD:
      return zeros(1) ? 0 : -1;
    case Op::CONCATENATION:
      return op.inputs.size() == 1 ? 0 : -1;
    case Op::ADD:
      if (plain && all_equal(editor.tensor(op.inputs[1]), 0)) return 0;
      return plain && all_equal(editor.tensor(op.inputs[0]), 0) ? 1 : -1;
    case Op::SUB:
      return plain && all_equal(editor.tensor(op.inputs[1]), 0) ? 0 : -1;
    case Op::MUL:
      if (plain && all_equal(editor.tensor(op.inputs[1]), 1)) return 0;
      return plain && all_equal(editor.tensor(op.inputs[0]), 1) ? 1 : -1;
    case Op::DIV:
      return plain && all_equal(editor.tensor(op.inputs[1]), 1) ? 0 : -1;
    case Op::SELECT:
    case Op::SELECT_V2:
      if (all_are(editor.tensor(op.inputs[0]), true)) return 1;
      return all_are(editor.tensor(op.inputs[0]), false) ? 2 : -1;
    case Op::MEAN:
    case Op::SUM:
    case Op::REDUCE_MAX:
    case Op::REDUCE_MIN: {
      // Over axes of size 1 that stay.
      const auto axes = constant_integers(editor.subgraph(), op, 1);
      const Tensor& x = editor.tensor(op.inputs[0]);
      return axes && std::all_of(axes->begin(), axes->end(),
                                 [&](int64_t axis) { return is_unit_axis(x, normalized_axis(axis, x.rank())); })
                 ? 0
                 : -1;
    }
    default:
      return -1;
  }
}

}  // namespace

int remove_identities(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (op.channels_first || op.outputs.size() != 1 || op.inputs.empty() || op.inputs[0] == kNoTensor) continue;
    const int out = op.outputs[0];
    const int slot = returned_input(editor, op);
    if (slot >= 0) {
      const int x = op.inputs[static_cast<size_t>(slot)];
      const bool boundary = editor.is_output(out) && (editor.is_input(x) || editor.is_output(x));
      if (same_kind(editor.tensor(x), editor.tensor(out)) && !editor.tensor(x).is_constant() && !boundary) {
        editor.remove(o);
        editor.replace_uses(out, x);
        ++changes;
        continue;
      }
    }
    if (op.op == Op::TRANSPOSE) {
      const auto permutation = constant_integers(subgraph, op, 1);
      const Tensor& x = editor.tensor(op.inputs[0]);
      if (!permutation || permutation->size() != static_cast<size_t>(x.rank())) continue;
      const Order order(permutation->begin(), permutation->end());
      if (!is_permutation_of_axes(order, x.rank())) continue;
      if (order_key(x, order) == order_key(x, identity_order(x.rank()))) {
        editor.set_inputs(o, {op.inputs[0]});
        editor.become(o, Op::RESHAPE, ReshapeOptions{});
        ++changes;
      }
    }
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
