#include <fmt/format.h>

#include "tflite/passes/editor.h"
#include "tflite/signature_binding.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {
namespace {

class Boundary {
 public:
  Boundary(Subgraph& subgraph, std::vector<Diagnostic>& problems) : editor_(subgraph), problems_(problems) {}

  void set_input(size_t index, Type type) {
    int& input = editor_.subgraph().inputs[index];
    if (editor_.tensor(input).type != Type::FLOAT32 || type == Type::FLOAT32) return;
    const int quantize = input_quantize(input);
    if (quantize == kNoProducer) {
      return problem("input", input, "has no one scale: not all that reads it is quantized alike",
                     "quantize the input with one FakeQuant, or keep it float");
    }
    const int inner = editor_.op(quantize).outputs[0];
    if (!fits("input", input, editor_.tensor(inner).type, type)) return;
    if (type == editor_.tensor(inner).type) {
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

  void set_output(size_t index, Type type) {
    Subgraph& subgraph = editor_.subgraph();
    const int output = subgraph.outputs[index];
    if (editor_.tensor(output).type != Type::FLOAT32 || type == Type::FLOAT32) return;
    const int dequantize = editor_.producer_of_kind(output, Op::DEQUANTIZE);
    if (dequantize == kNoProducer || !is_integer(editor_.tensor(editor_.op(dequantize).inputs[0]).type)) {
      return problem("output", output, "is computed in float and has no scale",
                     "put a FakeQuant behind the last operator, or keep the output float");
    }
    const int inner = editor_.op(dequantize).inputs[0];
    if (!fits("output", output, editor_.tensor(inner).type, type)) return;
    int outer = inner;
    if (type != editor_.tensor(inner).type) {
      outer = unsigned_twin(inner);
      add_unary(Op::QUANTIZE, output, outer);
    }
    std::swap(editor_.tensor(output).name, editor_.tensor(outer).name);
    subgraph.outputs[index] = outer;
  }

  void finish() { editor_.finish(); }

 private:
  static bool is_integer(Type type) { return type == Type::INT8 || type == Type::INT16 || type == Type::UINT8; }

  void problem(const char* kind, int id, const std::string& what, const std::string& remedy) {
    problems_.push_back({fmt::format("{} '{}' {}", kind, editor_.tensor(id).name, what), "", {}, remedy});
  }

  bool fits(const char* kind, int id, Type inner, Type wanted) {
    if (wanted == inner || (inner == Type::INT8 && wanted == Type::UINT8)) return true;
    problem(kind, id, fmt::format("cannot be {}: its FakeQuant makes it {}", to_string(wanted), to_string(inner)),
            "ask for the FakeQuant's type, or quantize it with the other number of bits");
    return false;
  }

  // The only reader of an input, when it is a QUANTIZE with one scale.
  int input_quantize(int input) const {
    const int reader = editor_.only_consumer(input);
    if (reader == kGraphOutput || editor_.op(reader).op != Op::QUANTIZE) return kNoProducer;
    const Tensor& inner = editor_.tensor(editor_.op(reader).outputs[0]);
    return is_integer(inner.type) && inner.quantization.scale.size() == 1 ? reader : kNoProducer;
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
  std::vector<Diagnostic>& problems_;
};

Type type_at(const std::vector<Type>& types, size_t index, size_t count) {
  if (types.empty()) return Type::FLOAT32;
  if (types.size() != 1 && types.size() != count) {
    throw Error(fmt::format("{} types for {} inputs or outputs", types.size(), count));
  }
  const Type type = types[types.size() == 1 ? 0 : index];
  if (type != Type::FLOAT32 && type != Type::INT8 && type != Type::UINT8 && type != Type::INT16) {
    throw Error("inputs and outputs can be FLOAT32, INT8, UINT8 or INT16, not " + std::string(to_string(type)));
  }
  return type;
}

}  // namespace

void set_boundary_types(Model& model, const std::vector<Type>& input_types, const std::vector<Type>& output_types,
                        const std::function<void(const std::string&)>& skip) {
  const SignatureBinding binding(model);
  std::vector<Diagnostic> problems;
  Subgraph& subgraph = model.subgraphs.at(0);
  {
    Boundary inputs(subgraph, problems);
    const size_t count = subgraph.inputs.size();
    for (size_t i = 0; i < count; ++i) inputs.set_input(i, type_at(input_types, i, count));
    inputs.finish();
  }
  Boundary outputs(subgraph, problems);
  const size_t count = subgraph.outputs.size();
  for (size_t i = 0; i < count; ++i) outputs.set_output(i, type_at(output_types, i, count));
  outputs.finish();
  if (skip) {
    for (const Diagnostic& problem : problems) skip(problem.to_string());
    problems.clear();
  }
  if (!problems.empty()) throw Error("the model's boundary cannot be quantized", std::move(problems));
  binding.restore(model);
}

}  // namespace tinyml::tflite
