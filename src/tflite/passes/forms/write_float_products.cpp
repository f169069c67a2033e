#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {

int write_float_products(Subgraph& subgraph, const FormPolicy& policy) {
  if (!policy.uses(Form::kBroadcast, true)) return 0;
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Operator op = editor.op(o);
    if (op.op != Op::MUL || op.inputs.size() != 2) continue;
    const Tensor& out = editor.tensor(op.outputs[0]);
    if (out.type != Type::INT8) continue;
    bool broadcasts = false;
    bool computed = true;
    for (const int id : op.inputs) {
      const Tensor& x = editor.tensor(id);
      broadcasts = broadcasts || x.shape != out.shape;
      computed = computed && !x.is_constant() && x.type == Type::INT8;
    }
    if (!broadcasts || !computed) continue;
    std::vector<int> inputs;
    for (const int id : op.inputs) {
      Tensor real = editor.tensor(id);
      real.name += "_float";
      real.type = Type::FLOAT32;
      real.quantization = {};
      Operator dequantize;
      dequantize.op = Op::DEQUANTIZE;
      dequantize.inputs = {id};
      dequantize.outputs = {editor.add_tensor(std::move(real))};
      inputs.push_back(dequantize.outputs[0]);
      editor.add_operator(std::move(dequantize));
    }
    Tensor product = editor.tensor(op.outputs[0]);
    product.name += "_float";
    product.type = Type::FLOAT32;
    product.quantization = {};
    const int id = editor.add_tensor(std::move(product));
    Operator multiply = op;
    multiply.inputs = std::move(inputs);
    multiply.outputs = {id};
    editor.remove(o);
    editor.add_operator(std::move(multiply));
    Operator quantize;
    quantize.op = Op::QUANTIZE;
    quantize.inputs = {id};
    quantize.outputs = op.outputs;
    editor.add_operator(std::move(quantize));
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
