#include <algorithm>

#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// Whether the operator only repeats along axes of size 1.
bool only_repeats(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  const size_t missing = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != to[missing + i] && from[i] != 1) return false;
  }
  return true;
}

}  // namespace

int drop_broadcasts(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (!is_arithmetic(op.op) || op.inputs.size() != 2) continue;
    for (size_t slot = 0; slot < 2; ++slot) {
      const int id = editor.op(o).inputs[slot];
      int repeat = editor.producer_of_kind(id, Op::BROADCAST_TO);
      if (repeat == kNoProducer) repeat = editor.producer_of_kind(id, Op::TILE);
      if (repeat == kNoProducer) continue;
      const int x = editor.op(repeat).inputs[0];
      const Tensor& out = editor.tensor(op.outputs[0]);
      const Tensor& other = editor.tensor(op.inputs[1 - slot]);
      if (!editor.tensor(x).shape_signature.empty() || !out.shape_signature.empty()) continue;
      if (!only_repeats(editor.tensor(x).shape, editor.tensor(id).shape)) continue;
      if (other.shape != out.shape || editor.tensor(x).rank() == 0) continue;  // The other operand gives the shape.
      editor.set_input(o, slot, x);
      ++changes;
    }
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
