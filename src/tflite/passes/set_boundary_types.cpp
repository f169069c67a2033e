#include "tflite/passes/editor.h"
#include "tflite/signature_binding.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {
namespace {

class Boundary {
 public:
  explicit Boundary(Subgraph& subgraph) : editor_(subgraph) {}

  void set_inputs(Type type, std::vector<Diagnostic>& problems) {
    Subgraph& subgraph = editor_.subgraph();
    for (int& input : subgraph.inputs) {
      if (editor_.tensor(input).type != Type::FLOAT32) continue;
      const int quantize = input_quantize(input);
      if (quantize == kNoProducer) {
        problems.push_back(
            {"input '" + editor_.tensor(input).name + "' has no one scale: not all that reads it is quantized alike",
             "",
             {},
             "quantize the input with one FakeQuant, or keep it float"});
        continue;
      }
      const int inner = editor_.op(quantize).outputs[0];
      if (type == Type::INT8) {
        editor_.remove(quantize);
        std::swap(editor_.tensor(input).name, editor_.tensor(inner).name);
        input = inner;
      } else {
        // Through float: XNNPACK's UINT8 to INT8 is slower than the two steps.
        const int outer = unsigned_twin(inner);
        const int real = input;
        std::swap(editor_.tensor(outer).name, editor_.tensor(real).name);
        add_unary(Op::DEQUANTIZE, outer, real);
        input = outer;
      }
    }
    editor_.finish();
  }

  void set_outputs(Type type, std::vector<Diagnostic>& problems) {
    Subgraph& subgraph = editor_.subgraph();
    for (size_t i = 0; i < subgraph.outputs.size(); ++i) {
      const int output = subgraph.outputs[i];
      if (editor_.tensor(output).type != Type::FLOAT32) continue;
      const int dequantize = editor_.producer_of_kind(output, Op::DEQUANTIZE);
      if (dequantize == kNoProducer || editor_.tensor(editor_.op(dequantize).inputs[0]).type != Type::INT8) {
        problems.push_back({"output '" + editor_.tensor(output).name + "' is computed in float and has no scale",
                            "",
                            {},
                            "put a FakeQuant behind the last operator, or keep the output float"});
        continue;
      }
      const int inner = editor_.op(dequantize).inputs[0];
      int outer = inner;
      if (type == Type::UINT8) {
        outer = unsigned_twin(inner);
        add_unary(Op::QUANTIZE, output, outer);
      }
      std::swap(editor_.tensor(output).name, editor_.tensor(outer).name);
      subgraph.outputs[i] = outer;
    }
    editor_.finish();
  }

 private:
  // The only reader of an input, when it is a QUANTIZE to INT8 with one scale.
  int input_quantize(int input) const {
    const int reader = editor_.only_consumer(input);
    if (reader == kGraphOutput || editor_.op(reader).op != Op::QUANTIZE) return kNoProducer;
    const Tensor& inner = editor_.tensor(editor_.op(reader).outputs[0]);
    return inner.type == Type::INT8 && inner.quantization.scale.size() == 1 ? reader : kNoProducer;
  }

  int unsigned_twin(int inner) {
    Tensor outer = editor_.tensor(inner);
    outer.type = Type::UINT8;
    outer.name += "_uint8";
    outer.quantization.zero_point[0] += 128;
    return editor_.add_tensor(std::move(outer));
  }

  void add_unary(Op kind, int input, int output) {
    Operator op;
    op.op = kind;
    op.inputs = {input};
    op.outputs = {output};
    editor_.add_operator(std::move(op));
  }

  Editor editor_;
};

}  // namespace

void set_boundary_types(Model& model, Type input_type, Type output_type) {
  const SignatureBinding binding(model);
  std::vector<Diagnostic> problems;
  for (const Type type : {input_type, output_type}) {
    if (type != Type::FLOAT32 && type != Type::INT8 && type != Type::UINT8) {
      throw Error("inputs and outputs can be FLOAT32, INT8 or UINT8, not " + std::string(to_string(type)));
    }
  }
  Subgraph& subgraph = model.subgraphs.at(0);
  if (input_type != Type::FLOAT32) Boundary(subgraph).set_inputs(input_type, problems);
  if (output_type != Type::FLOAT32) Boundary(subgraph).set_outputs(output_type, problems);
  if (!problems.empty()) throw Error("the model's boundary cannot be quantized", std::move(problems));
  binding.restore(model);
}

}  // namespace tinyml::tflite
