#include "tflite/passes/make_unsigned.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tflite/targets/target_table.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

bool is_signed_byte(const Subgraph& subgraph, int id) {
  return id != kNoTensor && subgraph.tensors[static_cast<size_t>(id)].type == Type::INT8;
}

// INT8 tensors that operators on integers read or make; the weights of operators on floats are none.
std::vector<bool> integers_of(const Subgraph& subgraph) {
  std::vector<bool> found(subgraph.tensors.size(), false);
  for (const Operator& op : subgraph.operators) {
    const bool table = op.op == Op::EMBEDDING_LOOKUP;
    const size_t values = op.op == Op::TRANSPOSE_CONV ? 2 : op.op == Op::SPLIT ? 1 : 0;
    const bool integer = !table && op.inputs.size() > values && is_signed_byte(subgraph, op.inputs[values]);
    if (integer) {
      for (const int id : op.inputs) {
        if (is_signed_byte(subgraph, id)) found[static_cast<size_t>(id)] = true;
      }
    }
    for (const int id : op.outputs) {
      if (is_signed_byte(subgraph, id)) found[static_cast<size_t>(id)] = true;
    }
  }
  return found;
}

Buffer moved_by_128(const Buffer& bytes) {
  std::vector<uint8_t> result;
  result.reserve(bytes.size());
  for (const int8_t value : bytes.as<int8_t>()) result.push_back(static_cast<uint8_t>(value + 128));
  return Buffer::of(std::move(result));
}

// One scale where those of all channels are equal, as the passes write them.
void merge_equal_scales(Quantization& q) {
  const auto differs = [&](float scale) { return scale != q.scale[0]; };
  if (!q.per_channel() || std::any_of(q.scale.begin(), q.scale.end(), differs)) return;
  q.scale.resize(1);
  q.zero_point.resize(1);
  q.quantized_dimension = 0;
}

}  // namespace

void make_unsigned(Model& model, Target target) {
  std::vector<Diagnostic> problems;
  for (Subgraph& subgraph : model.subgraphs) {
    const std::vector<bool> integers = integers_of(subgraph);
    const auto moves = [&](int id) { return id != kNoTensor && integers[static_cast<size_t>(id)]; };
    for (const Operator& op : subgraph.operators) {
      if (op.outputs.empty() || !moves(op.outputs[0])) continue;
      const TargetRow* row = find_row(target, op.op);
      if (op.op == Op::QUANTIZE || (row != nullptr && (row->types & kU8) != 0)) continue;
      const std::string& name = subgraph.tensors[static_cast<size_t>(op.outputs[0])].name;
      problems.push_back({fmt::format("{} at '{}' has no UINT8 kernel", to_string(op.op), name), "", {}, "use int8"});
    }
    for (size_t id = 0; id < integers.size(); ++id) {
      Tensor& tensor = subgraph.tensors[id];
      if (integers[id] || tensor.type == Type::INT32) merge_equal_scales(tensor.quantization);
      if (!integers[id]) continue;
      if (tensor.quantization.per_channel()) {
        problems.push_back(
            {fmt::format("the weights '{}' have a scale for each channel; UINT8 kernels have one", tensor.name),
             "",
             {},
             "quantize with per_tensor: True, or use int8"});
        continue;
      }
      tensor.type = Type::UINT8;
      for (int64_t& zero_point : tensor.quantization.zero_point) zero_point += 128;
      if (tensor.is_constant()) tensor.buffer = moved_by_128(tensor.buffer);
    }
  }
  if (!problems.empty()) throw Error("the model cannot use UINT8", std::move(problems));
}

}  // namespace tinyml::tflite
