#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {

int add_missing_bias(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (op.op != Op::CONV_2D && op.op != Op::DEPTHWISE_CONV_2D && op.op != Op::FULLY_CONNECTED &&
        op.op != Op::TRANSPOSE_CONV) {
      continue;
    }
    const size_t slot = op.op == Op::TRANSPOSE_CONV ? 3 : 2;
    if (op.inputs.size() > slot && op.inputs[slot] != kNoTensor) continue;
    const Tensor& out = editor.tensor(op.outputs[0]);
    if (out.type != Type::FLOAT32 || out.shape.empty()) continue;
    Tensor bias;
    bias.name = out.name + "_bias";
    bias.shape = {out.shape.back()};
    bias.buffer = Buffer::of(std::vector<float>(static_cast<size_t>(out.shape.back()), 0.0F));
    std::vector<int> inputs = op.inputs;
    inputs.resize(slot + 1, kNoTensor);
    inputs[slot] = editor.add_tensor(std::move(bias));
    editor.set_inputs(o, std::move(inputs));
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
