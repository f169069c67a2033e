// Scales, zero points and ties, after the format's 8-bit quantization specification.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tflite/verify/checker.h"

namespace tinyml::tflite {
namespace {

// Input and output must share scale and zero point.
constexpr auto kSameScale = std::to_array<Op>({
    Op::AVERAGE_POOL_2D,
    Op::MAX_POOL_2D,
    Op::CONCATENATION,
    Op::RESHAPE,
    Op::SQUEEZE,
    Op::TRANSPOSE,
    Op::PAD,
    Op::PADV2,
    Op::MIRROR_PAD,
    Op::RESIZE_BILINEAR,
    Op::GATHER,
    Op::SLICE,
    Op::STRIDED_SLICE,
    Op::SPLIT,
    Op::SPLIT_V,
    Op::PACK,
    Op::UNPACK,
    Op::MAXIMUM,
    Op::MINIMUM,
    Op::RESIZE_NEAREST_NEIGHBOR,
    Op::SPACE_TO_DEPTH,
    Op::SELECT,
    Op::DEPTH_TO_SPACE,
    Op::BATCH_TO_SPACE_ND,
    Op::SPACE_TO_BATCH_ND,
    Op::BROADCAST_TO,
    Op::REDUCE_MAX,
    Op::REDUCE_MIN,
    Op::TILE,
    Op::EXPAND_DIMS,
});

struct FixedScale {
  Op op;
  Type type;
  float scale;
  int64_t zero_point;
};
constexpr auto kFixedScale = std::to_array<FixedScale>({
    {Op::LOGISTIC, Type::INT8, 1.0F / 256, -128},
    {Op::SOFTMAX, Type::INT8, 1.0F / 256, -128},
    {Op::TANH, Type::INT8, 1.0F / 128, 0},
    {Op::L2_NORMALIZATION, Type::INT8, 1.0F / 128, 0},
    {Op::LOG_SOFTMAX, Type::INT8, 16.0F / 256, 127},
    {Op::LOGISTIC, Type::UINT8, 1.0F / 256, 0},
    {Op::SOFTMAX, Type::UINT8, 1.0F / 256, 0},
    {Op::TANH, Type::UINT8, 1.0F / 128, 128},
    {Op::L2_NORMALIZATION, Type::UINT8, 1.0F / 128, 128},
    {Op::LOGISTIC, Type::INT16, 1.0F / 32768, 0},
    {Op::TANH, Type::INT16, 1.0F / 32768, 0},
    {Op::SOFTMAX, Type::INT16, 1.0F / 32768, 0},
});

struct Integers {
  int64_t low, high;
};

Integers range_of(Type type) {
  switch (type) {
    case Type::INT4:
      return {-8, 7};
    case Type::INT8:
      return {-128, 127};
    case Type::UINT8:
      return {0, 255};
    case Type::INT16:
      return {-32768, 32767};
    default:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  }
}

void check_tensor(const Checker& checker, const Tensor& tensor) {
  const Quantization& q = tensor.quantization;
  if (q.empty()) return;
  if (tensor.type == Type::FLOAT32) return;  // Informative only.
  const auto report = [&](const std::string& what) {
    checker.report(fmt::format("tensor '{}': {}", tensor.name, what));
  };
  if (q.zero_point.size() != q.scale.size()) return report("there is not one zero point for each scale");
  const Integers range = range_of(tensor.type);
  for (size_t i = 0; i < q.scale.size(); ++i) {
    if (!std::isfinite(q.scale[i]) || q.scale[i] <= 0.0F)
      return report(fmt::format("the scale {} is illegal", q.scale[i]));
    if (q.zero_point[i] < range.low || q.zero_point[i] > range.high) {
      return report(fmt::format("the zero point {} is outside {}", q.zero_point[i], to_string(tensor.type)));
    }
    const bool symmetric = tensor.type == Type::INT16 || tensor.type == Type::INT32 || q.per_channel();
    if (symmetric && q.zero_point[i] != 0) return report(fmt::format("the zero point is {}, not 0", q.zero_point[i]));
  }
}

bool is_integer_activation(const Tensor* tensor) {
  return tensor != nullptr && is_quantizable(tensor->type) && tensor->type != Type::INT4;
}

bool same(const Quantization& a, const Quantization& b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty();
  return a.scale[0] == b.scale[0] && a.zero_point[0] == b.zero_point[0];
}

void check_ties(const Checker& checker, const Operator& op) {
  if (std::find(kSameScale.begin(), kSameScale.end(), op.op) == kSameScale.end()) return;
  const Tensor* out = checker.output(op, 0);
  if (!is_integer_activation(out)) return;
  for (const std::vector<int>& ids : {op.inputs, op.outputs}) {
    for (int id : ids) {
      const Tensor* tensor = checker.tensor(id);
      if (!is_integer_activation(tensor) || tensor->type != out->type) continue;
      if (!same(tensor->quantization, out->quantization)) {
        checker.report(op,
                       fmt::format("'{}' and '{}' must have the same scale and zero point", tensor->name, out->name));
      }
    }
  }
}

void check_fixed_scale(const Checker& checker, const Operator& op) {
  const Tensor* out = checker.output(op, 0);
  if (!is_integer_activation(out) || out->quantization.empty()) return;
  for (const FixedScale& row : kFixedScale) {
    if (row.op != op.op || row.type != out->type) continue;
    if (out->quantization.scale[0] != row.scale || out->quantization.zero_point[0] != row.zero_point) {
      checker.report(op, fmt::format("its output must have scale {} and zero point {}", row.scale, row.zero_point));
    }
  }
}

/// The dimension of the weights that has one scale for each output channel.
int channel_dimension(Op op) { return op == Op::DEPTHWISE_CONV_2D ? 3 : 0; }

void check_weights(const Checker& checker, const Operator& op) {
  const bool transposed = op.op == Op::TRANSPOSE_CONV;
  if (op.op != Op::CONV_2D && op.op != Op::DEPTHWISE_CONV_2D && op.op != Op::FULLY_CONNECTED && !transposed) return;
  const Tensor* x = checker.input(op, transposed ? 2 : 0);
  const Tensor* w = checker.input(op, 1);
  const Tensor* bias = checker.input(op, transposed ? 3 : 2);
  if (w == nullptr || x == nullptr || w->quantization.empty() || !is_quantizable(w->type)) return;
  const Quantization& q = w->quantization;
  if (q.per_channel() && q.quantized_dimension != channel_dimension(op.op)) {
    checker.report(op, fmt::format("its weights have a scale for each index of dimension {}", q.quantized_dimension));
    return;
  }
  if (x->type != Type::INT8 && x->type != Type::INT16) return;  // Dynamic range, or the older uint8 scheme.
  if (w->type == Type::INT8 && w->is_constant()) {
    if (q.zero_point[0] != 0) checker.report(op, "its weights have a zero point other than 0");
    const auto values = w->buffer.as<int8_t>();
    if (std::find(values.begin(), values.end(), int8_t{-128}) != values.end()) {
      checker.report(op, "its weights hold -128, outside the symmetric range");
    }
  }
  if (bias == nullptr || x->quantization.empty()) return;
  const Type needed = x->type == Type::INT16 && bias->type == Type::INT64 ? Type::INT64 : Type::INT32;
  if (bias->type != needed) {
    checker.report(op, fmt::format("its bias is {}, not {}", to_string(bias->type), to_string(needed)));
    return;
  }
  const Quantization& b = bias->quantization;
  if (b.scale.size() != q.scale.size()) {
    checker.report(op, fmt::format("its bias has {} scales and its weights {}", b.scale.size(), q.scale.size()));
    return;
  }
  for (size_t i = 0; i < b.scale.size(); ++i) {
    const double expected = static_cast<double>(x->quantization.scale[0]) * static_cast<double>(q.scale[i]);
    if (std::abs(static_cast<double>(b.scale[i]) - expected) > 1e-5 * expected) {
      checker.report(op, "its bias scale is not the input's times the weights'");
      return;
    }
  }
}

void check_operands_have_scales(const Checker& checker, const Operator& op) {
  for (const std::vector<int>& ids : {op.inputs, op.outputs}) {
    for (int id : ids) {
      const Tensor* tensor = checker.tensor(id);
      const bool quantized =
          tensor != nullptr && !tensor->opaque && (tensor->type == Type::INT8 || tensor->type == Type::INT16);
      if (quantized && tensor->quantization.empty()) {
        checker.report(op, fmt::format("'{}' is {} without a scale", tensor->name, to_string(tensor->type)));
      }
    }
  }
}

// Operators that compute with real values, so that 8-bit and 16-bit operands need scales.
constexpr auto kComputes = std::to_array<Op>({
    Op::ADD,
    Op::SUB,
    Op::MUL,
    Op::CONV_2D,
    Op::DEPTHWISE_CONV_2D,
    Op::FULLY_CONNECTED,
    Op::TRANSPOSE_CONV,
    Op::MEAN,
    Op::LOGISTIC,
    Op::TANH,
    Op::SOFTMAX,
    Op::AVERAGE_POOL_2D,
    Op::MAX_POOL_2D,
    Op::CONCATENATION,
    Op::QUANTIZE,
    Op::DEQUANTIZE,
    Op::HARD_SWISH,
    Op::LEAKY_RELU,
    Op::PRELU,
    Op::BATCH_MATMUL,
    Op::ELU,
});

}  // namespace

void check_quantization(const Checker& checker) {
  for (const Tensor& tensor : checker.subgraph.tensors) check_tensor(checker, tensor);
  for (const Operator& op : checker.subgraph.operators) {
    if (std::find(kComputes.begin(), kComputes.end(), op.op) != kComputes.end())
      check_operands_have_scales(checker, op);
    check_ties(checker, op);
    check_fixed_scale(checker, op);
    check_weights(checker, op);
  }
}

}  // namespace tinyml::tflite
