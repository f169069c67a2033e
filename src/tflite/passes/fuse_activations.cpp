#include <algorithm>

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

namespace {

constexpr int kMostSteps = 8;  // Operators between an activation and what takes it in.

// Whether f(move(x)) = move(f(x)) for every fused activation f: elements are moved, dropped or repeated, and those that
// are added are 0, which all of them leave alone.
bool only_moves(Op op) {
  switch (op) {
    case Op::RESHAPE:
    case Op::TRANSPOSE:
    case Op::PAD:
    case Op::MIRROR_PAD:
    case Op::SLICE:
    case Op::STRIDED_SLICE:
    case Op::REVERSE_V2:
    case Op::GATHER:
    case Op::DEPTH_TO_SPACE:
    case Op::SPACE_TO_DEPTH:
    case Op::RESIZE_NEAREST_NEIGHBOR:
      return true;
    default:
      return false;
  }
}

// The operators that must take the activation in, so that `id`, which only `reader` reads, holds its result; false when
// one of them cannot. What moves values passes it on, CONCATENATION to all of its parts.
bool find_takers(Editor& editor, int id, int reader, std::vector<int>& takers, int depth = 0) {
  const int made_by = editor.producer(id);
  if (made_by == kNoProducer || depth > kMostSteps || editor.only_consumer(id) != reader) return false;
  const Operator& op = editor.op(made_by);
  const Tensor& result = editor.tensor(id);
  const auto through = [&](int part) {
    const Tensor& before = editor.tensor(part);
    return before.type == result.type && before.quantization == result.quantization &&
           find_takers(editor, part, made_by, takers, depth + 1);
  };
  if (only_moves(op.op)) return through(op.inputs[0]);
  if (op.op == Op::CONCATENATION) {
    if (std::get<ConcatenationOptions>(op.options).activation != Activation::NONE) return false;
    return std::all_of(op.inputs.begin(), op.inputs.end(), through);
  }
  const Activation* slot = fused_activation(op.options, op.op);
  if (slot == nullptr || *slot != Activation::NONE) return false;
  takers.push_back(made_by);
  return true;
}

}  // namespace

int fuse_activations(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Activation wanted = activation_of(editor.op(o).op);
    if (wanted == Activation::NONE) continue;
    const int x = editor.op(o).inputs[0];
    const int out = editor.op(o).outputs[0];
    std::vector<int> takers;
    if (!same_kind(editor.tensor(x), editor.tensor(out)) || !find_takers(editor, x, o, takers)) continue;
    for (const int taker : takers) *fused_activation(editor.options(taker), editor.op(taker).op) = wanted;
    editor.remove(o);
    editor.replace_uses(out, x);
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
