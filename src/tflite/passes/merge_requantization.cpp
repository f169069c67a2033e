#include <optional>

#include "tflite/passes/quantization.h"
#include "tflite/passes/scale_limits.h"

namespace tinyml::tflite {
namespace {

bool is_integer_per_tensor(const Tensor& tensor) {
  return (tensor.type == Type::INT8 || tensor.type == Type::INT16) && tensor.quantization.scale.size() == 1;
}

bool same_grid(const Tensor& a, const Tensor& b) { return a.type == b.type && a.quantization == b.quantization; }

// Whether the activation (MAXIMUM and MINIMUM of `bound`) changes nothing that the integers' range does not clip
// anyway.
bool saturates_like(Op activation, double bound, const Tensor& result) {
  const Quantization& q = result.quantization;
  const int64_t least = result.type == Type::INT8 ? -128 : -32768;
  const int64_t most = result.type == Type::INT8 ? 127 : 32767;
  const double low = static_cast<double>(q.scale[0]) * static_cast<double>(least - q.zero_point[0]);
  const double high = static_cast<double>(q.scale[0]) * static_cast<double>(most - q.zero_point[0]);
  const double half = 0.5 * static_cast<double>(q.scale[0]);
  switch (activation) {
    case Op::RELU:
      return low == 0;
    case Op::RELU6:
      return low == 0 && high <= 6 + half * 0.999;
    case Op::RELU_N1_TO_1:
      return low >= -1 - half * 0.999 && high <= 1 + half * 0.999;
    case Op::RELU_0_TO_1:
      return low == 0 && high <= 1 + half * 0.999;
    case Op::MAXIMUM:
      return low >= bound - half * 0.999;
    case Op::MINIMUM:
      return high <= bound + half * 0.999;
    default:
      return false;
  }
}

// The constant that a MAXIMUM or MINIMUM compares with, and the value; nullopt when it is none of these.
struct Bounded {
  int value;
  double bound;
};

std::optional<Bounded> bounded(const Editor& editor, const Operator& op) {
  if (op.inputs.size() == 1) return Bounded{op.inputs[0], 0};
  if ((op.op != Op::MAXIMUM && op.op != Op::MINIMUM) || op.inputs.size() != 2) return std::nullopt;
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const Tensor& constant = editor.tensor(op.inputs[slot]);
    if (!constant.is_constant() || constant.type != Type::FLOAT32 || element_count(constant.shape) != 1) continue;
    const int value = op.inputs[1 - slot];
    if (editor.tensor(value).shape != editor.tensor(op.outputs[0]).shape) continue;
    return Bounded{value, static_cast<double>(constant.buffer.as<float>()[0])};
  }
  return std::nullopt;
}

bool drop_saturated_activation(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const auto operand = bounded(editor, op);
  if (!operand) return false;
  const int out = op.outputs[0];
  const int q = quantized_result(editor, out);
  if (q == kNoTensor) return false;
  if (!saturates_like(op.op, operand->bound, editor.tensor(q))) return false;
  const int x = operand->value;
  editor.remove(o);
  editor.replace_uses(out, x);
  return true;
}

}  // namespace

int quantized_source(const Editor& editor, int id, bool constants) {
  const int made_by = editor.producer_of_kind(id, Op::DEQUANTIZE);
  if (made_by == kNoProducer) return kNoTensor;
  const int source = editor.op(made_by).inputs[0];
  if (!is_integer_per_tensor(editor.tensor(source))) return kNoTensor;
  return editor.tensor(source).is_constant() && !constants ? kNoTensor : source;
}

int quantized_result(const Editor& editor, int id) {
  int first = kNoTensor;
  for (const Use& use : editor.consumers(id)) {
    if (use.op == kGraphOutput || editor.op(use.op).op != Op::QUANTIZE) return kNoTensor;
    const int q = editor.op(use.op).outputs[0];
    if (!is_integer_per_tensor(editor.tensor(q))) return kNoTensor;
    if (first == kNoTensor) first = q;
    if (!same_grid(editor.tensor(q), editor.tensor(first))) return kNoTensor;
  }
  return first;
}

void absorb_quantize(Editor& editor, int id, int replacement) {
  const std::vector<Use> uses = editor.consumers(id);
  if (!uses.empty()) editor.tensor(replacement).name = editor.tensor(editor.op(uses[0].op).outputs[0]).name;
  for (const Use& use : uses) {
    const int q = editor.op(use.op).outputs[0];
    editor.remove(use.op);
    editor.replace_uses(q, replacement);
  }
}

int merge_requantization(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    if (!editor.is_live(o)) continue;
    changes += drop_saturated_activation(editor, o) ? 1 : 0;
  }
  for (int o = 0; o < editor.count(); ++o) {
    if (!editor.is_live(o) || editor.op(o).op != Op::QUANTIZE) continue;
    const int out = editor.op(o).outputs[0];
    const int source = quantized_source(editor, editor.op(o).inputs[0], false);
    if (source == kNoTensor || !is_integer_per_tensor(editor.tensor(out))) continue;
    if (same_grid(editor.tensor(source), editor.tensor(out))) {
      if (editor.is_output(out)) continue;
      editor.remove(o);
      editor.replace_uses(out, source);
    } else {
      const auto scale = [&](int id) { return editor.tensor(id).quantization.scale[0]; };
      if (!within_scale_limits(Op::QUANTIZE, {scale(source)}, scale(out))) continue;
      editor.set_input(o, 0, source);
    }
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
