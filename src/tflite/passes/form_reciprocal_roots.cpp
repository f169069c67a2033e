#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

bool is_one(const Tensor& tensor) {
  return tensor.is_constant() && tensor.type == Type::FLOAT32 && element_count(tensor.shape) == 1 &&
         tensor.buffer.as<float>()[0] == 1.0F;
}

}  // namespace

int form_reciprocal_roots(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Operator& op = editor.op(o);
    if (op.op != Op::DIV || op.inputs.size() != 2 || editor.tensor(op.outputs[0]).type != Type::FLOAT32) continue;
    const int above = op.inputs[0];
    const int below = op.inputs[1];
    const int root = editor.producer_of_kind(below, Op::SQRT);
    if (root == kNoProducer || editor.only_consumer(below) != o) continue;
    const int x = editor.op(root).inputs[0];
    const bool alone = is_one(editor.tensor(above)) && same_kind(editor.tensor(below), editor.tensor(op.outputs[0])) &&
                       std::get<ArithmeticOptions>(op.options).activation == Activation::NONE;
    if (alone) {
      editor.become(o, Op::RSQRT, {});
      editor.set_inputs(o, {x});
    } else {
      editor.become(root, Op::RSQRT, {});
      editor.become(o, Op::MUL, editor.op(o).options);
    }
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
