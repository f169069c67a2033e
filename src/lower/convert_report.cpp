#include "lower/convert_report.h"

namespace tinyml::lowering {
namespace {

// Whether the TRANSPOSE stands between the file's boundary and the rest, or inside.
std::string reason_for(const tflite::Subgraph& main, const tflite::Operator& op) {
  for (const int input : main.inputs) {
    if (input == op.inputs[0]) return "the input is given in another order than the model computes in";
  }
  for (const int output : main.outputs) {
    if (output == op.outputs[0]) return "the output is wanted in another order than the model computes in";
  }
  return "its producer and its consumers need different orders, or the order crosses a reshape";
}

}  // namespace

ConvertReport report_on(const tflite::Model& model) {
  ConvertReport report;
  for (const tflite::Subgraph& subgraph : model.subgraphs) {
    for (const tflite::Operator& op : subgraph.operators) {
      ++report.operators[std::string(to_string(op.op))];
      if (op.op != tflite::Op::TRANSPOSE) continue;
      const tflite::Tensor& output = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
      report.transposes.push_back({output.name, {output.shape.begin(), output.shape.end()}, reason_for(subgraph, op)});
    }
    for (const tflite::Tensor& tensor : subgraph.tensors) report.quantized |= !tensor.quantization.empty();
  }
  return report;
}

}  // namespace tinyml::lowering
