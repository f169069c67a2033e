#include "lower/convert_report.h"

#include <fmt/format.h>

#include <unordered_map>

namespace tinyml::lowering {
namespace {

bool only_moves(tflite::Op op) {
  return op == tflite::Op::RESHAPE || op == tflite::Op::QUANTIZE || op == tflite::Op::DEQUANTIZE ||
         op == tflite::Op::SLICE || op == tflite::Op::SPLIT || op == tflite::Op::CAST;
}

// Names what stands on both sides of TRANSPOSEs.
class Reasons {
 public:
  explicit Reasons(const tflite::Subgraph& subgraph) : subgraph_(subgraph) {
    for (const tflite::Operator& op : subgraph.operators) {
      for (const int id : op.outputs) producer_.emplace(id, &op);
      for (const int id : op.inputs) reader_.emplace(id, &op);
    }
  }

  std::string of(const tflite::Operator& transpose) const {
    return fmt::format("{} and {} need different dimension orders", source_of(transpose.inputs[0]),
                       reader_of(transpose.outputs[0]));
  }

 private:
  std::string name_of(int id) const { return subgraph_.tensors[static_cast<size_t>(id)].name; }

  std::string source_of(int id) const {
    while (true) {
      const auto made_by = producer_.find(id);
      if (made_by == producer_.end()) return fmt::format("the input '{}'", name_of(id));
      const tflite::Operator& op = *made_by->second;
      if (!only_moves(op.op) || op.inputs.empty()) return std::string(to_string(op.op));
      id = op.inputs[op.op == tflite::Op::SPLIT ? 1 : 0];
    }
  }

  std::string reader_of(int id) const {
    while (true) {
      for (const int output : subgraph_.outputs) {
        if (output == id) return fmt::format("the output '{}'", name_of(id));
      }
      const auto read_by = reader_.find(id);
      if (read_by == reader_.end()) return "nothing";
      const tflite::Operator& op = *read_by->second;
      if (!only_moves(op.op) || op.outputs.empty()) return std::string(to_string(op.op));
      id = op.outputs[0];
    }
  }

  const tflite::Subgraph& subgraph_;
  std::unordered_map<int, const tflite::Operator*> producer_, reader_;
};

}  // namespace

ConvertReport report_on(const tflite::Model& model) {
  ConvertReport report;
  for (const tflite::Subgraph& subgraph : model.subgraphs) {
    const Reasons reasons(subgraph);
    for (const tflite::Operator& op : subgraph.operators) {
      ++report.operators[std::string(to_string(op.op))];
      if (op.op != tflite::Op::TRANSPOSE) continue;
      const tflite::Tensor& output = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
      report.transposes.push_back({output.name, {output.shape.begin(), output.shape.end()}, reasons.of(op)});
    }
    for (const tflite::Tensor& tensor : subgraph.tensors) report.quantized |= !tensor.quantization.empty();
  }
  return report;
}

}  // namespace tinyml::lowering
