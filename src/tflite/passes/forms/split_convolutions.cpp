#include "tflite/constant_values.h"
#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

// Rows [first, first + count) of the outermost dimension, with their scales.
Tensor rows(const Tensor& tensor, int32_t first, int32_t count) {
  Shape shape = tensor.shape;
  shape[0] = count;
  const int64_t inner = element_count(tensor.shape) / tensor.shape[0];
  int64_t next = first * inner;
  Tensor result = remap_constant(tensor, shape, [&](const Shape&) { return next++; });
  if (tensor.quantization.per_channel()) {
    const auto cut = [&](auto& values) { values = {values.begin() + first, values.begin() + first + count}; };
    cut(result.quantization.scale);
    cut(result.quantization.zero_point);
  }
  return result;
}

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  const Operator split = editor.op(o);
  if (split.op != Op::SPLIT || split.inputs.size() != 2) return false;
  const auto axis = constant_integers(editor.subgraph(), split, 0);
  const int x = split.inputs[1];
  const int made_by = editor.producer_of_kind(x, Op::CONV_2D);
  if (!axis || made_by == kNoProducer || editor.only_consumer(x) != o) return false;
  if (editor.tensor(x).rank() != 4 || normalized_axis((*axis)[0], 4) != 3) return false;
  const auto view = view_convolution(editor, made_by);
  if (!view || !policy.uses(Form::kSplit, view->quantized)) return false;
  const Operator conv = editor.op(made_by);
  const Tensor weights = editor.tensor(conv.inputs[1]);
  const Tensor bias = editor.tensor(conv.inputs[2]);
  if (weights.shape[3] != editor.tensor(conv.inputs[0]).shape[3]) return false;  // Groups.
  for (const int out : split.outputs) {
    if (editor.tensor(out).quantization != editor.tensor(x).quantization) return false;
  }
  editor.remove(o);
  editor.remove(made_by);
  int32_t first = 0;
  for (const int out : split.outputs) {
    const int32_t count = editor.tensor(out).shape[3];
    Operator part = conv;
    part.inputs[1] = editor.add_tensor(rows(weights, first, count));
    part.inputs[2] = editor.add_tensor(rows(bias, first, count));
    part.outputs = {out};
    editor.add_operator(std::move(part));
    first += count;
  }
  return true;
}

}  // namespace

int split_convolutions(Subgraph& subgraph, const FormPolicy& policy) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) changes += editor.is_live(o) && rewrite(editor, o, policy) ? 1 : 0;
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
