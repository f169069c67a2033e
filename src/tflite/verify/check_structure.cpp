// Ids, order of definition and use, operand counts, options.
#include <algorithm>
#include <array>
#include <type_traits>
#include <variant>

#include "tflite/options_codec.h"
#include "tflite/verify/checker.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMany = 1'000'000;

struct OperandCount {
  Op op;
  size_t inputs_min, inputs_max, outputs_min, outputs_max;
};

// Operators that are not listed take any number.
constexpr auto kOperands = std::to_array<OperandCount>({
    {Op::ADD, 2, 2, 1, 1},
    {Op::SUB, 2, 2, 1, 1},
    {Op::MUL, 2, 2, 1, 1},
    {Op::DIV, 2, 2, 1, 1},
    {Op::MAXIMUM, 2, 2, 1, 1},
    {Op::MINIMUM, 2, 2, 1, 1},
    {Op::POW, 2, 2, 1, 1},
    {Op::SQUARED_DIFFERENCE, 2, 2, 1, 1},
    {Op::CONV_2D, 2, 3, 1, 1},
    {Op::DEPTHWISE_CONV_2D, 2, 3, 1, 1},
    {Op::CONV_3D, 2, 3, 1, 1},
    {Op::TRANSPOSE_CONV, 3, 4, 1, 1},
    {Op::FULLY_CONNECTED, 2, 3, 1, 2},
    {Op::BATCH_MATMUL, 2, 2, 1, 1},
    {Op::AVERAGE_POOL_2D, 1, 1, 1, 1},
    {Op::MAX_POOL_2D, 1, 1, 1, 1},
    {Op::L2_POOL_2D, 1, 1, 1, 1},
    {Op::SOFTMAX, 1, 1, 1, 1},
    {Op::LOG_SOFTMAX, 1, 1, 1, 1},
    {Op::RELU, 1, 1, 1, 1},
    {Op::RELU6, 1, 1, 1, 1},
    {Op::RELU_N1_TO_1, 1, 1, 1, 1},
    {Op::RELU_0_TO_1, 1, 1, 1, 1},
    {Op::LEAKY_RELU, 1, 1, 1, 1},
    {Op::ELU, 1, 1, 1, 1},
    {Op::GELU, 1, 1, 1, 1},
    {Op::HARD_SWISH, 1, 1, 1, 1},
    {Op::LOGISTIC, 1, 1, 1, 1},
    {Op::TANH, 1, 1, 1, 1},
    {Op::PRELU, 2, 2, 1, 1},
    {Op::QUANTIZE, 1, 1, 1, 1},
    {Op::DEQUANTIZE, 1, 1, 1, 1},
    {Op::CAST, 1, 1, 1, 1},
    {Op::RESHAPE, 1, 2, 1, 1},
    {Op::SQUEEZE, 1, 1, 1, 1},
    {Op::TRANSPOSE, 2, 2, 1, 1},
    {Op::MEAN, 2, 2, 1, 1},
    {Op::SUM, 2, 2, 1, 1},
    {Op::REDUCE_MAX, 2, 2, 1, 1},
    {Op::REDUCE_MIN, 2, 2, 1, 1},
    {Op::REDUCE_PROD, 2, 2, 1, 1},
    {Op::CONCATENATION, 1, kMany, 1, 1},
    {Op::PACK, 1, kMany, 1, 1},
    {Op::UNPACK, 1, 1, 1, kMany},
    {Op::SPLIT, 2, 2, 1, kMany},
    {Op::SPLIT_V, 3, 3, 1, kMany},
    {Op::SLICE, 3, 3, 1, 1},
    {Op::STRIDED_SLICE, 4, 4, 1, 1},
    {Op::PAD, 2, 2, 1, 1},
    {Op::PADV2, 3, 3, 1, 1},
    {Op::MIRROR_PAD, 2, 2, 1, 1},
    {Op::GATHER, 2, 2, 1, 1},
    {Op::RESIZE_BILINEAR, 2, 2, 1, 1},
    {Op::RESIZE_NEAREST_NEIGHBOR, 2, 2, 1, 1},
    {Op::DEPTH_TO_SPACE, 1, 1, 1, 1},
    {Op::SPACE_TO_DEPTH, 1, 1, 1, 1},
    {Op::EXP, 1, 1, 1, 1},
    {Op::LOG, 1, 1, 1, 1},
    {Op::SQRT, 1, 1, 1, 1},
    {Op::RSQRT, 1, 1, 1, 1},
    {Op::ABS, 1, 1, 1, 1},
    {Op::NEG, 1, 1, 1, 1},
    {Op::FLOOR, 1, 1, 1, 1},
    {Op::CEIL, 1, 1, 1, 1},
    {Op::ROUND, 1, 1, 1, 1},
    {Op::SIGN, 1, 1, 1, 1},
    {Op::SIN, 1, 1, 1, 1},
    {Op::COS, 1, 1, 1, 1},
    {Op::SQUARE, 1, 1, 1, 1},
    {Op::LOGICAL_NOT, 1, 1, 1, 1},
    {Op::ZEROS_LIKE, 1, 1, 1, 1},
    {Op::FAKE_QUANT, 1, 1, 1, 1},
    {Op::L2_NORMALIZATION, 1, 1, 1, 1},
    {Op::LOCAL_RESPONSE_NORMALIZATION, 1, 1, 1, 1},
    {Op::SHAPE, 1, 1, 1, 1},
    {Op::RANK, 1, 1, 1, 1},
    {Op::LESS, 2, 2, 1, 1},
    {Op::LESS_EQUAL, 2, 2, 1, 1},
    {Op::GREATER, 2, 2, 1, 1},
    {Op::GREATER_EQUAL, 2, 2, 1, 1},
    {Op::EQUAL, 2, 2, 1, 1},
    {Op::NOT_EQUAL, 2, 2, 1, 1},
    {Op::LOGICAL_AND, 2, 2, 1, 1},
    {Op::LOGICAL_OR, 2, 2, 1, 1},
    {Op::FLOOR_DIV, 2, 2, 1, 1},
    {Op::FLOOR_MOD, 2, 2, 1, 1},
    {Op::ATAN2, 2, 2, 1, 1},
    {Op::BITWISE_XOR, 2, 2, 1, 1},
    {Op::RIGHT_SHIFT, 2, 2, 1, 1},
    {Op::REDUCE_ANY, 2, 2, 1, 1},
    {Op::REDUCE_ALL, 2, 2, 1, 1},
    {Op::ARG_MAX, 2, 2, 1, 1},
    {Op::ARG_MIN, 2, 2, 1, 1},
    {Op::TILE, 2, 2, 1, 1},
    {Op::BROADCAST_TO, 2, 2, 1, 1},
    {Op::CUMSUM, 2, 2, 1, 1},
    {Op::REVERSE_V2, 2, 2, 1, 1},
    {Op::GATHER_ND, 2, 2, 1, 1},
    {Op::FILL, 2, 2, 1, 1},
    {Op::REVERSE_SEQUENCE, 2, 2, 1, 1},
    {Op::EXPAND_DIMS, 2, 2, 1, 1},
    {Op::BROADCAST_ARGS, 2, 2, 1, 1},
    {Op::SELECT, 3, 3, 1, 1},
    {Op::SELECT_V2, 3, 3, 1, 1},
    {Op::ADD_N, 1, kMany, 1, 1},
    {Op::CONV_3D_TRANSPOSE, 3, 4, 1, 1},
    {Op::TOPK_V2, 2, 2, 2, 2},
    {Op::ONE_HOT, 4, 4, 1, 1},
    {Op::RANGE, 3, 3, 1, 1},
    {Op::BATCH_TO_SPACE_ND, 3, 3, 1, 1},
    {Op::SPACE_TO_BATCH_ND, 3, 3, 1, 1},
    {Op::DYNAMIC_UPDATE_SLICE, 3, 3, 1, 1},
    {Op::SCATTER_ND, 3, 3, 1, 1},
    {Op::IF, 1, kMany, 0, kMany},
    {Op::WHILE, 1, kMany, 1, kMany},
    {Op::EMBEDDING_LOOKUP, 2, 2, 1, 1},
});

/// Whether every enumerator in the options is one the format defines.
struct EnumCheck {
  const Checker& checker;
  const Operator& op;

  void value(const char* name, int number, int limit) const {
    if (number < 0 || number > limit)
      checker.report(op, fmt::format("option {} has the undefined value {}", name, number));
  }
  template <typename O>
  void operator()(const O& options) const {
    if constexpr (requires { options.padding; }) value("padding", static_cast<int>(options.padding), 1);
    if constexpr (requires { options.activation; }) {
      value("fused_activation_function", static_cast<int>(options.activation), 5);
    }
    if constexpr (requires { options.stride_w; }) {
      if (options.stride_w < 1 || options.stride_h < 1) checker.report(op, "a stride is below 1");
    }
    if constexpr (requires { options.dilation_w; }) {
      if (options.dilation_w < 1 || options.dilation_h < 1) checker.report(op, "a dilation is below 1");
    }
    if constexpr (requires { options.filter_width; }) {
      if (options.filter_width < 1 || options.filter_height < 1) checker.report(op, "a filter size is below 1");
    }
    if constexpr (requires { options.block_size; }) {
      if (options.block_size < 1) checker.report(op, "the block size is below 1");
    }
    if constexpr (requires { options.mode; }) value("mode", static_cast<int>(options.mode), 1);
  }
};

void check_options(const Checker& checker, const Operator& op) {
  if (op.op == Op::CUSTOM) return;
  const bool none = std::holds_alternative<std::monostate>(op.options);
  if (std::holds_alternative<CarriedOptions>(op.options) && !has_options(op.op)) return;
  if (!none && op.options.index() != default_options(op.op).index()) {
    checker.report(op, "its options are those of another operator");
    return;
  }
  std::visit(EnumCheck{checker, op}, op.options);
}

void check_operand_count(const Checker& checker, const Operator& op) {
  const auto* row =
      std::find_if(kOperands.begin(), kOperands.end(), [&](const OperandCount& r) { return r.op == op.op; });
  if (row == kOperands.end()) return;
  if (op.inputs.size() < row->inputs_min || op.inputs.size() > row->inputs_max) {
    checker.report(op, fmt::format("it has {} inputs", op.inputs.size()));
  }
  for (size_t i = 0; i < row->inputs_min && i < op.inputs.size(); ++i) {
    if (op.inputs[i] == kNoTensor) checker.report(op, fmt::format("input {} is absent", i));
  }
  if (op.outputs.size() < row->outputs_min || op.outputs.size() > row->outputs_max) {
    checker.report(op, fmt::format("it has {} outputs", op.outputs.size()));
  }
}

void check_signatures(const Checker& checker) {
  for (const Signature& signature : checker.model.signatures) {
    if (signature.subgraph < 0 || static_cast<size_t>(signature.subgraph) >= checker.model.subgraphs.size()) {
      checker.report(fmt::format("signature '{}' names a subgraph that does not exist", signature.key));
      continue;
    }
    const Subgraph& target = checker.model.subgraphs[static_cast<size_t>(signature.subgraph)];
    if (&target != &checker.subgraph) continue;
    const auto check = [&](const auto& entries, const std::vector<int>& ids, const char* kind) {
      for (const auto& [name, id] : entries) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
          checker.report(fmt::format("signature '{}': {} '{}' is none of the model's", signature.key, kind, name));
        }
      }
    };
    check(signature.inputs, target.inputs, "input");
    check(signature.outputs, target.outputs, "output");
  }
}

// What passes compute with: the scales between integers and real numbers.
void check_channels(const Checker& checker, const Tensor& tensor) {
  const Quantization& q = tensor.quantization;
  if (!q.per_channel() || tensor.opaque || tensor.type == Type::FLOAT32) return;  // Of floats it is a remark.
  const int dim = q.quantized_dimension;
  const bool fits =
      dim >= 0 && dim < tensor.rank() && static_cast<size_t>(tensor.shape[static_cast<size_t>(dim)]) == q.scale.size();
  if (fits) return;
  checker.report(fmt::format("tensor '{}': {} scales do not fit dimension {}", tensor.name, q.scale.size(), dim));
}

void check_conversion(const Checker& checker, const Operator& op) {
  if (op.op != Op::QUANTIZE && op.op != Op::DEQUANTIZE) return;
  for (const int id : op.op == Op::QUANTIZE ? op.outputs : op.inputs) {
    const Tensor* tensor = checker.tensor(id);
    const bool is_integer = tensor != nullptr && !tensor->opaque &&
                            (tensor->type == Type::INT8 || tensor->type == Type::UINT8 || tensor->type == Type::INT16);
    if (is_integer && tensor->quantization.empty()) {
      checker.report(op, fmt::format("'{}' is {} without a scale", tensor->name, to_string(tensor->type)));
    }
  }
}

}  // namespace

void check_structure(const Checker& checker) {
  const Subgraph& subgraph = checker.subgraph;
  std::vector<bool> defined(subgraph.tensors.size(), false);
  std::vector<bool> is_made(subgraph.tensors.size(), false);
  for (const Operator& op : subgraph.operators) {
    for (const int id : op.outputs) {
      if (checker.tensor(id) != nullptr) is_made[static_cast<size_t>(id)] = true;
    }
  }
  for (size_t i = 0; i < subgraph.tensors.size(); ++i) {
    const Tensor& tensor = subgraph.tensors[i];
    const bool has_contents = !tensor.buffer.empty() || tensor.opaque || element_count(tensor.shape) == 0;
    defined[i] = !is_made[i] && (has_contents || tensor.is_variable);
    if (!tensor.shape_signature.empty() && tensor.shape_signature.size() != tensor.shape.size()) {
      checker.report(fmt::format("tensor '{}': shape signature and shape differ in rank", tensor.name));
    }
    check_channels(checker, tensor);
    if (tensor.is_constant() && bits_of(tensor.type) > 0 &&
        static_cast<int64_t>(tensor.buffer.size()) != byte_count(tensor.type, tensor.shape)) {
      checker.report(fmt::format("constant '{}' has {} bytes where its shape needs {}", tensor.name,
                                 tensor.buffer.size(), byte_count(tensor.type, tensor.shape)));
    }
  }
  std::vector<bool> produced(subgraph.tensors.size(), false);
  for (int id : subgraph.inputs) {
    if (checker.tensor(id) == nullptr) {
      checker.report(fmt::format("input {} does not exist", id));
    } else if (checker.tensor(id)->is_constant()) {
      checker.report(fmt::format("input '{}' is a constant", checker.tensor(id)->name));
    } else {
      defined[static_cast<size_t>(id)] = true;
      produced[static_cast<size_t>(id)] = true;
    }
  }
  for (const Operator& op : subgraph.operators) {
    if (op.channels_first && !checker.logical) checker.report(op, "it is still in logical (channels first) form");
    check_operand_count(checker, op);
    check_options(checker, op);
    check_conversion(checker, op);
    for (int id : op.inputs) {
      if (id == kNoTensor) continue;
      if (checker.tensor(id) == nullptr) {
        checker.report(op, fmt::format("input {} does not exist", id));
      } else if (!defined[static_cast<size_t>(id)]) {
        checker.report(op, fmt::format("input '{}' is used before it is computed", checker.tensor(id)->name));
      }
    }
    for (int id : op.outputs) {
      if (checker.tensor(id) == nullptr) {
        checker.report(op, fmt::format("output {} does not exist", id));
        continue;
      }
      const auto slot = static_cast<size_t>(id);
      if (produced[slot] || checker.tensor(id)->is_constant()) {
        checker.report(op, fmt::format("output '{}' has another producer", checker.tensor(id)->name));
      }
      produced[slot] = true;
      defined[slot] = true;
    }
  }
  for (int id : subgraph.outputs) {
    if (checker.tensor(id) == nullptr) {
      checker.report(fmt::format("output {} does not exist", id));
    } else if (!defined[static_cast<size_t>(id)]) {
      checker.report(fmt::format("output '{}' is never computed", checker.tensor(id)->name));
    }
  }
  check_signatures(checker);
}

}  // namespace tinyml::tflite
