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

}  // namespace

int merge_chains(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {  // In execution order: what is before is merged already.
    const Operator& op = editor.op(o);
    if (op.inputs.empty() || op.inputs[0] == kNoTensor) continue;
    const int before = editor.producer(op.inputs[0]);
    if (before == kNoProducer) continue;
    const Operator& first = editor.op(before);
    if (is_reshape(op.op) && is_reshape(first.op) && has_known_shape(subgraph, op) &&
        is_per_tensor(editor.tensor(op.outputs[0])) && is_reshape_by_output(subgraph, op)) {
      editor.set_inputs(o, {first.inputs[0]});
      editor.become(o, Op::RESHAPE, ReshapeOptions{});
      ++changes;
    } else if (op.op == Op::CAST && first.op == Op::CAST) {
      const int x = first.inputs[0];
      const Type from = editor.tensor(x).type;
      if (!holds_all_of(editor.tensor(op.inputs[0]).type, from)) continue;
      editor.become(o, Op::CAST, CastOptions{from, editor.tensor(op.outputs[0]).type});
      editor.set_inputs(o, {x});
      ++changes;
    } else if (op.op == Op::TRANSPOSE && first.op == Op::TRANSPOSE) {
      const auto a = constant_integers(subgraph, first, 1);
      const auto b = constant_integers(subgraph, op, 1);
      if (!a || !b || a->size() != b->size()) continue;
      std::vector<int32_t> combined;
      const int rank = static_cast<int>(a->size());
      for (int64_t axis : *b) {
        const int64_t inner = (*a)[static_cast<size_t>(normalized_axis(axis, rank))];
        combined.push_back(normalized_axis(inner, rank));
      }
      Tensor permutation = editor.tensor(op.inputs[1]);
      permutation.type = Type::INT32;
      permutation.buffer = Buffer::of(combined);
      const int x = first.inputs[0];
      editor.set_inputs(o, {x, editor.add_tensor(std::move(permutation))});
      ++changes;
    }
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
