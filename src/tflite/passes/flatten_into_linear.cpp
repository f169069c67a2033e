#include "tflite/constant_values.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr int kMostDimensions = 6;  ///< Of FULLY_CONNECTED's input, for XNNPACK.

// x -> RESHAPE [batch, K] -> FULLY_CONNECTED: the operator flattens to rows of its weights' width by itself.
bool skip_reshape(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.op != Op::FULLY_CONNECTED || std::get<FullyConnectedOptions>(op.options).keep_num_dims) return false;
  const int reshape = editor.producer_of_kind(op.inputs[0], Op::RESHAPE);
  if (reshape == kNoProducer) return false;
  const int x = editor.op(reshape).inputs[0];
  if (editor.tensor(x).rank() > kMostDimensions) return false;
  if (editor.tensor(x).is_constant() || editor.tensor(x).quantization != editor.tensor(op.inputs[0]).quantization) {
    return false;
  }
  editor.set_input(o, 0, x);
  return true;
}

// MEAN without keep_dims in front of a FULLY_CONNECTED or a RESHAPE: with keep_dims it is the fast kernel.
bool keep_reduced(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.op != Op::MEAN || std::get<ReducerOptions>(op.options).keep_dims) return false;
  const int out = op.outputs[0];
  const int next = editor.only_consumer(out);
  if (next == kGraphOutput) return false;
  const Operator& reader = editor.op(next);
  const bool flattens = reader.op == Op::FULLY_CONNECTED && editor.consumers(out)[0].input == 0 &&
                        !std::get<FullyConnectedOptions>(reader.options).keep_num_dims;
  const auto axes = constant_integers(editor.subgraph(), op, 1);
  if ((!flattens && reader.op != Op::RESHAPE) || !axes) return false;
  const Tensor& x = editor.tensor(op.inputs[0]);
  Tensor& kept = editor.tensor(out);
  kept.shape = x.shape;
  kept.shape_signature = x.shape_signature;
  for (int64_t axis : *axes) {
    const auto at = static_cast<size_t>(normalized_axis(axis, x.rank()));
    kept.shape[at] = 1;
    if (!kept.shape_signature.empty()) kept.shape_signature[at] = 1;
  }
  editor.become(o, Op::MEAN, ReducerOptions{.keep_dims = true});
  return true;
}

}  // namespace

int flatten_into_linear(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    changes += keep_reduced(editor, o) ? 1 : 0;
    changes += skip_reshape(editor, o) ? 1 : 0;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
