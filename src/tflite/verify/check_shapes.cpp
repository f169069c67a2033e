// Output shapes and element types.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "tflite/verify/infer_shape.h"

namespace tinyml::tflite {
namespace {

void check_output_shapes(const Checker& checker, const Operator& op) {
  std::optional<std::vector<Shape>> shapes;
  try {
    shapes = infer_shapes(checker, op);
  } catch (const Error& error) {
    checker.report(op, error.diagnostics()[0].what);
    return;
  }
  if (!shapes) return;
  for (size_t i = 0; i < shapes->size() && i < op.outputs.size(); ++i) {
    const Tensor* out = checker.output(op, i);
    if (out->shape != (*shapes)[i]) {
      checker.report(op, fmt::format("output {} has the shape [{}], but its inputs make it [{}]", i,
                                     fmt::join(out->shape, ", "), fmt::join((*shapes)[i], ", ")));
    }
  }
}

// Operators whose operands and results all have one element type.
constexpr auto kOneType = std::to_array<Op>({
    Op::ADD,
    Op::SUB,
    Op::MUL,
    Op::DIV,
    Op::MAXIMUM,
    Op::MINIMUM,
    Op::CONCATENATION,
    Op::PACK,
    Op::AVERAGE_POOL_2D,
    Op::MAX_POOL_2D,
    Op::RELU,
    Op::RELU6,
    Op::RELU_N1_TO_1,
    Op::PRELU,
    Op::HARD_SWISH,
    Op::LOGISTIC,
    Op::TANH,
    Op::SOFTMAX,
    Op::LEAKY_RELU,
    Op::ELU,
    Op::GELU,
    Op::POW,
    Op::SQUARED_DIFFERENCE,
});

// Operators whose first operand and results have one element type (the other operands are indices, sizes, axes).
constexpr auto kFirstType = std::to_array<Op>({
    Op::RESHAPE,
    Op::SQUEEZE,
    Op::TRANSPOSE,
    Op::PAD,
    Op::PADV2,
    Op::MIRROR_PAD,
    Op::SLICE,
    Op::STRIDED_SLICE,
    Op::GATHER,
    Op::MEAN,
    Op::SUM,
    Op::REDUCE_MAX,
    Op::REDUCE_MIN,
    Op::RESIZE_BILINEAR,
    Op::RESIZE_NEAREST_NEIGHBOR,
    Op::DEPTH_TO_SPACE,
    Op::SPACE_TO_DEPTH,
    Op::UNPACK,
    Op::SPLIT_V,
    Op::TILE,
    Op::BROADCAST_TO,
});

template <typename Table>
bool contains(const Table& table, Op op) {
  return std::find(table.begin(), table.end(), op) != table.end();
}

void check_types(const Checker& checker, const Operator& op) {
  const Tensor* out = checker.output(op, 0);
  if (out == nullptr) return;
  const auto require = [&](const Tensor* tensor, Type type) {
    if (tensor != nullptr && tensor->type != type) {
      checker.report(
          op, fmt::format("'{}' is {} where {} is needed", tensor->name, to_string(tensor->type), to_string(type)));
    }
  };
  if (contains(kOneType, op.op)) {
    for (size_t i = 0; i < op.inputs.size(); ++i) require(checker.input(op, i), out->type);
  } else if (contains(kFirstType, op.op)) {
    require(checker.input(op, 0), out->type);
  } else if (op.op == Op::QUANTIZE) {
    if (!is_quantizable(out->type)) checker.report(op, "the output is not of a quantized type");
  } else if (op.op == Op::DEQUANTIZE) {
    require(out, Type::FLOAT32);
  } else if (op.op == Op::CONV_2D || op.op == Op::DEPTHWISE_CONV_2D || op.op == Op::FULLY_CONNECTED ||
             op.op == Op::TRANSPOSE_CONV) {
    const Tensor* x = checker.input(op, op.op == Op::TRANSPOSE_CONV ? 2 : 0);
    const Tensor* bias = checker.input(op, op.op == Op::TRANSPOSE_CONV ? 3 : 2);
    if (x == nullptr) return;
    require(out, x->type);
    if (x->type == Type::FLOAT32) require(bias, Type::FLOAT32);
    if (bias != nullptr && element_count(bias->shape) != (out->shape.empty() ? 0 : out->shape.back())) {
      checker.report(op, fmt::format("the bias has {} elements", element_count(bias->shape)));
    }
  }
}

}  // namespace

void check_shapes(const Checker& checker) {
  for (const Operator& op : checker.subgraph.operators) {
    if (op.channels_first) continue;
    check_output_shapes(checker, op);
    check_types(checker, op);
  }
}

}  // namespace tinyml::tflite
