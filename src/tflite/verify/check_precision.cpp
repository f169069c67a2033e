// FLOAT16 constants, INT8 weights under float activations (dynamic range), 16-bit activations.
#include <algorithm>
#include <array>
#include <cmath>

#include "tflite/verify/checker.h"

namespace tinyml::tflite {
namespace {

// The CPU kernels read FLOAT16 through DEQUANTIZE only.
constexpr auto kComputesInFloat32 = std::to_array<Op>({
    Op::ADD,
    Op::SUB,
    Op::MUL,
    Op::DIV,
    Op::CONV_2D,
    Op::DEPTHWISE_CONV_2D,
    Op::TRANSPOSE_CONV,
    Op::FULLY_CONNECTED,
    Op::BATCH_MATMUL,
    Op::CONV_3D,
    Op::PRELU,
    Op::MEAN,
    Op::SOFTMAX,
    Op::LOGISTIC,
    Op::TANH,
    Op::GATHER,
});

void check_half(const Checker& checker, const Operator& op) {
  if (std::find(kComputesInFloat32.begin(), kComputesInFloat32.end(), op.op) == kComputesInFloat32.end()) return;
  for (const int id : op.inputs) {
    const Tensor* tensor = checker.tensor(id);
    if (tensor == nullptr || tensor->type != Type::FLOAT16) continue;
    checker.report(op, fmt::format("'{}' is FLOAT16, which goes through a DEQUANTIZE first", tensor->name));
  }
}

void check_hybrid(const Checker& checker, const Operator& op) {
  if (op.op != Op::CONV_2D && op.op != Op::DEPTHWISE_CONV_2D && op.op != Op::FULLY_CONNECTED) return;
  const Tensor* x = checker.input(op, 0);
  const Tensor* w = checker.input(op, 1);
  const Tensor* bias = checker.input(op, 2);
  const Tensor* out = checker.output(op, 0);
  if (x == nullptr || w == nullptr || out == nullptr) return;
  if (x->type != Type::FLOAT32 || !is_quantizable(w->type)) return;
  if (out->type != Type::FLOAT32) checker.report(op, "its input is FLOAT32, its output is not");
  if (bias != nullptr && bias->type != Type::FLOAT32) {
    checker.report(op, "its input is FLOAT32 and so must its bias be");
  }
  const Quantization& q = w->quantization;
  if (q.empty()) return checker.report(op, "its integer weights have no scale");
  if (w->type != Type::UINT8 &&
      std::any_of(q.zero_point.begin(), q.zero_point.end(), [](int64_t z) { return z != 0; })) {
    checker.report(op, "its weights have a zero point other than 0");
  }
  const bool grouped = op.op == Op::CONV_2D && w->rank() == 4 && x->rank() == 4 && w->shape[3] != x->shape[3];
  if (grouped) checker.report(op, "grouped convolutions have no kernel for INT8 weights and float inputs");
}

// 16-bit activations: the kernels' weights and biases, and sums with any scale.
void check_wide(const Checker& checker, const Operator& op) {
  const bool transposed = op.op == Op::TRANSPOSE_CONV;
  const Tensor* x = checker.input(op, transposed ? 2 : 0);
  const Tensor* out = checker.output(op, 0);
  if (x == nullptr || out == nullptr || x->type != Type::INT16 || x->quantization.empty()) return;
  if (op.op == Op::ADD || op.op == Op::SUB) {
    const auto* options = std::get_if<ArithmeticOptions>(&op.options);
    if (options == nullptr || options->pot_scale_int16) {
      for (const int id : {op.inputs[0], op.inputs[1], op.outputs[0]}) {
        const Quantization& q = checker.tensor(id)->quantization;
        int exponent = 0;
        if (q.empty() || std::frexp(q.scale[0], &exponent) == 0.5F) continue;
        return checker.report(op, "its 16-bit scales must be powers of two unless pot_scale_int16 is false");
      }
    }
  }
  if (op.op != Op::CONV_2D && op.op != Op::DEPTHWISE_CONV_2D && op.op != Op::FULLY_CONNECTED && !transposed) return;
  const Tensor* w = checker.input(op, 1);
  const Tensor* bias = checker.input(op, transposed ? 3 : 2);
  if (out->type != Type::INT16) checker.report(op, "its input is INT16, its output is not");
  if (w != nullptr && w->type != Type::INT8 && w->type != Type::INT4 && w->type != Type::INT16) {
    checker.report(op, fmt::format("its input is INT16 and its weights are {}", to_string(w->type)));
  }
  if (bias != nullptr && bias->type != Type::INT64 && bias->type != Type::INT32) {
    checker.report(op, fmt::format("its bias is {}, not INT64", to_string(bias->type)));
  }
}

void check_lookup(const Checker& checker, const Operator& op) {
  if (op.op != Op::EMBEDDING_LOOKUP) return;
  const Tensor* ids = checker.input(op, 0);
  const Tensor* table = checker.input(op, 1);
  if (ids == nullptr || table == nullptr) return;
  if (ids->type != Type::INT32 || ids->rank() != 1) checker.report(op, "its indices are not a vector of INT32");
  const bool integers = table->type == Type::INT8 || table->type == Type::INT4;
  if (integers && table->quantization.empty()) checker.report(op, "its table has no scale");
}

}  // namespace

void check_precision(const Checker& checker) {
  for (const Operator& op : checker.subgraph.operators) {
    check_half(checker, op);
    check_hybrid(checker, op);
    check_wide(checker, op);
    check_lookup(checker, op);
  }
}

}  // namespace tinyml::tflite
