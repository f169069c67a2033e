#include "tflite/passes/activations.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {

Activation* fused_activation(Options& options, Op op) {
  switch (op) {
    case Op::CONV_2D:
      return &std::get<Conv2DOptions>(options).activation;
    case Op::DEPTHWISE_CONV_2D:
      return &std::get<DepthwiseConv2DOptions>(options).activation;
    case Op::CONV_3D:
      return &std::get<Conv3DOptions>(options).activation;
    case Op::TRANSPOSE_CONV:
      return &std::get<TransposeConvOptions>(options).activation;
    case Op::FULLY_CONNECTED:
      return &std::get<FullyConnectedOptions>(options).activation;
    case Op::AVERAGE_POOL_2D:
    case Op::MAX_POOL_2D:
      return &std::get<Pool2DOptions>(options).activation;
    case Op::ADD:
    case Op::SUB:
    case Op::MUL:
    case Op::DIV:
      return &std::get<ArithmeticOptions>(options).activation;
    default:
      return nullptr;
  }
}

Activation activation_of(Op op) {
  switch (op) {
    case Op::RELU:
      return Activation::RELU;
    case Op::RELU6:
      return Activation::RELU6;
    case Op::RELU_N1_TO_1:
      return Activation::RELU_N1_TO_1;
    default:
      return Activation::NONE;
  }
}

int fuse_activations(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Activation wanted = activation_of(editor.op(o).op);
    if (wanted == Activation::NONE) continue;
    const int x = editor.op(o).inputs[0];
    const int out = editor.op(o).outputs[0];
    if (editor.only_consumer(x) != o) continue;
    int before = editor.producer(x);
    // RESHAPE passes it on (one-dimensional convolutions).
    while (before != kNoProducer && editor.op(before).op == Op::RESHAPE &&
           editor.only_consumer(editor.op(before).inputs[0]) == before) {
      before = editor.producer(editor.op(before).inputs[0]);
    }
    if (before == kNoProducer) continue;
    if (!same_kind(editor.tensor(x), editor.tensor(out))) continue;
    Activation* slot = fused_activation(editor.options(before), editor.op(before).op);
    if (slot == nullptr || *slot != Activation::NONE) continue;
    *slot = wanted;
    editor.remove(o);
    editor.replace_uses(out, x);
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
