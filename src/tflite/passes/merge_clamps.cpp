#include <algorithm>
#include <limits>
#include <optional>

#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// y = min(max(x, low), high), low <= high.
struct Clamp {
  int x;
  float low, high;
};

std::optional<Clamp> clamp_of(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.outputs.size() != 1 || editor.tensor(op.outputs[0]).type != Type::FLOAT32) return std::nullopt;
  switch (op.op) {
    case Op::RELU:
      return Clamp{op.inputs[0], 0, kInfinity};
    case Op::RELU6:
      return Clamp{op.inputs[0], 0, 6};
    case Op::RELU_N1_TO_1:
      return Clamp{op.inputs[0], -1, 1};
    case Op::MAXIMUM:
    case Op::MINIMUM: {
      const int slot = editor.tensor(op.inputs[0]).is_constant() ? 0 : 1;
      const Tensor& bound = editor.tensor(op.inputs[static_cast<size_t>(slot)]);
      const int x = op.inputs[static_cast<size_t>(1 - slot)];
      if (!bound.is_constant() || bound.type != Type::FLOAT32 || element_count(bound.shape) != 1) return std::nullopt;
      if (editor.tensor(x).is_constant() || !same_kind(editor.tensor(x), editor.tensor(op.outputs[0]))) {
        return std::nullopt;
      }
      const float value = bound.buffer.as<float>()[0];
      if (value != value) return std::nullopt;
      return op.op == Op::MAXIMUM ? Clamp{x, value, kInfinity} : Clamp{x, -kInfinity, value};
    }
    default:
      return std::nullopt;
  }
}

// The operator that is this clamp by itself; nullopt when there is none without a constant.
std::optional<Op> operator_of(const Clamp& clamp) {
  if (clamp.low == 0 && clamp.high == kInfinity) return Op::RELU;
  if (clamp.low == 0 && clamp.high == 6) return Op::RELU6;
  if (clamp.low == -1 && clamp.high == 1) return Op::RELU_N1_TO_1;
  return std::nullopt;
}

}  // namespace

int merge_clamps(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const auto last = clamp_of(editor, o);
    if (!last) continue;
    const Op kind = editor.op(o).op;
    const int before = editor.producer(last->x);
    const auto first = before == kNoProducer ? std::nullopt : clamp_of(editor, before);
    if (first && editor.only_consumer(last->x) == o) {
      const Clamp both{first->x, std::clamp(first->low, last->low, last->high),
                       std::clamp(first->high, last->low, last->high)};
      if (const auto one = operator_of(both)) {
        editor.become(o, *one, {});
        editor.set_inputs(o, {first->x});
        ++changes;
        continue;
      }
      if (both.low == last->low && both.high == last->high) {  // What the first one does, the last one does anyway.
        editor.set_inputs(o, kind == Op::MAXIMUM || kind == Op::MINIMUM
                                 ? std::vector<int>{first->x, editor.op(o).inputs[editor.op(o).inputs[0] == last->x]}
                                 : std::vector<int>{first->x});
        ++changes;
        continue;
      }
    }
    const auto alone = operator_of(*last);
    if (alone && *alone != kind) {
      editor.become(o, *alone, {});
      editor.set_inputs(o, {last->x});
      ++changes;
    }
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
