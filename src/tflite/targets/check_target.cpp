#include <fmt/format.h>

#include "tflite/targets/target_table.h"

namespace tinyml::tflite {
namespace {

TypeSet set_of(Type type) {
  switch (type) {
    case Type::FLOAT32:
      return kF32;
    case Type::FLOAT16:
      return kF16;
    case Type::INT8:
      return kI8;
    case Type::UINT8:
      return kU8;
    case Type::INT16:
      return kI16;
    case Type::INT32:
      return kI32;
    case Type::INT64:
      return kI64;
    case Type::BOOL:
      return kBool;
    default:
      return 0;
  }
}

// The input that decides which kernel runs.
size_t deciding_input(Op op) {
  switch (op) {
    case Op::SPLIT:
    case Op::SELECT:
    case Op::SELECT_V2:
    case Op::EMBEDDING_LOOKUP:
    case Op::FILL:
      return 1;
    case Op::TRANSPOSE_CONV:
      return 2;
    default:
      return 0;
  }
}

std::string reason_for(const Subgraph& subgraph, const Operator& op, Target target) {
  const TargetRow* row = find_row(target, op.op);
  if (row == nullptr) {
    return target == Target::kEthosU ? "the NPU does not have this operator; it runs on the CPU"
                                     : "the runtime does not have this operator";
  }
  const size_t slot = deciding_input(op.op);
  if (row->types != kAny && slot < op.inputs.size() && op.inputs[slot] != kNoTensor) {
    const Type type = subgraph.tensors[static_cast<size_t>(op.inputs[slot])].type;
    if ((row->types & set_of(type)) == 0) {
      const std::string remedy = type == Type::FLOAT32 ? "; quantize the model, FakeQuants around it included" : "";
      return fmt::format("{} values{}{}", to_string(type),
                         target == Target::kEthosU ? " run on the CPU" : " have no kernel", remedy);
    }
  }
  return target == Target::kEthosU ? ethos_u_limit(subgraph, op) : "";
}

}  // namespace

std::vector<TargetIssue> check_target(const Model& model, Target target) {
  std::vector<TargetIssue> issues;
  for (const Subgraph& subgraph : model.subgraphs) {
    for (const Operator& op : subgraph.operators) {
      if (op.op == Op::CUSTOM) continue;  // Whoever wrote it registers its kernel.
      std::string reason = reason_for(subgraph, op, target);
      if (reason.empty()) continue;
      const std::string name =
          op.outputs.empty() ? std::string() : subgraph.tensors[static_cast<size_t>(op.outputs[0])].name;
      issues.push_back({op.op, name, std::move(reason)});
    }
  }
  return issues;
}

}  // namespace tinyml::tflite
