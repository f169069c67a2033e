#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>
#include <type_traits>

#include "tflite/constant_values.h"
#include "tflite/layout/order.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/evaluate_choice.h"
#include "tflite/passes/evaluate_creation.h"
#include "tflite/passes/evaluate_movement.h"
#include "tflite/passes/evaluate_operator.h"
#include "tflite/passes/evaluate_reduction.h"
#include "tflite/passes/passes.h"
#include "tflite/quantized_values.h"

namespace tinyml::tflite {
namespace {

using Unary = float (*)(float);
using Binary = float (*)(float, float);

Unary unary_function(Op op) {
  switch (op) {
    case Op::NEG:
      return [](float x) { return -x; };
    case Op::ABS:
      return [](float x) { return std::abs(x); };
    case Op::EXP:
      return [](float x) { return std::exp(x); };
    case Op::LOG:
      return [](float x) { return std::log(x); };
    case Op::SQRT:
      return [](float x) { return std::sqrt(x); };
    case Op::RSQRT:
      return [](float x) { return 1.0F / std::sqrt(x); };
    case Op::SQUARE:
      return [](float x) { return x * x; };
    case Op::RELU:
      return [](float x) { return x > 0 ? x : 0; };
    case Op::SIN:
      return [](float x) { return std::sin(x); };
    case Op::COS:
      return [](float x) { return std::cos(x); };
    case Op::TANH:
      return [](float x) { return std::tanh(x); };
    case Op::LOGISTIC:
      return [](float x) { return 1.0F / (1.0F + std::exp(-x)); };
    default:
      return nullptr;
  }
}

Binary binary_function(const Operator& op) {
  const auto* options = std::get_if<ArithmeticOptions>(&op.options);
  if (options != nullptr && options->activation != Activation::NONE) return nullptr;
  switch (op.op) {
    case Op::ADD:
      return [](float a, float b) { return a + b; };
    case Op::SUB:
      return [](float a, float b) { return a - b; };
    case Op::MUL:
      return [](float a, float b) { return a * b; };
    case Op::DIV:
      return [](float a, float b) { return a / b; };
    case Op::MAXIMUM:
      return [](float a, float b) { return a > b ? a : b; };
    case Op::MINIMUM:
      return [](float a, float b) { return a < b ? a : b; };
    case Op::POW:
      return [](float a, float b) { return std::pow(a, b); };
    default:
      return nullptr;
  }
}

// Element strides of an operand broadcast to a shape.
std::vector<size_t> broadcast_strides(const Shape& shape, const Shape& out) {
  std::vector<size_t> strides(out.size(), 0);
  size_t step = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t axis = shape.size() - 1 - i;
    if (shape[axis] != 1) strides[out.size() - 1 - i] = step;
    step *= static_cast<size_t>(shape[axis]);
  }
  return strides;
}

template <class T, class Function>
std::vector<T> broadcast(const Tensor& a, const Tensor& b, const Shape& out, Function f) {
  const auto left = a.buffer.as<T>();
  const auto right = b.buffer.as<T>();
  const auto sa = broadcast_strides(a.shape, out);
  const auto sb = broadcast_strides(b.shape, out);
  std::vector<T> result(static_cast<size_t>(element_count(out)));
  std::vector<int32_t> index(out.size(), 0);
  size_t ia = 0;
  size_t ib = 0;
  for (T& value : result) {
    value = f(left[ia], right[ib]);
    for (size_t axis = out.size(); axis-- > 0;) {
      ia += sa[axis], ib += sb[axis];
      if (++index[axis] < out[axis]) break;
      ia -= sa[axis] * static_cast<size_t>(out[axis]), ib -= sb[axis] * static_cast<size_t>(out[axis]);
      index[axis] = 0;
    }
  }
  return result;
}

std::optional<Buffer> cast(const Tensor& x, Type to) {
  std::vector<double> values;
  const auto read = [&](auto span) { values.assign(span.begin(), span.end()); };
  switch (x.type) {
    case Type::FLOAT32:
      read(x.buffer.as<float>());
      break;
    case Type::INT32:
      read(x.buffer.as<int32_t>());
      break;
    case Type::INT64:
      read(x.buffer.as<int64_t>());
      break;
    case Type::BOOL:
      read(x.buffer.as<uint8_t>());
      break;
    default:
      return std::nullopt;
  }
  const auto write = [&](auto zero) {
    std::vector<decltype(zero)> result;
    for (double value : values) result.push_back(static_cast<decltype(zero)>(value));
    return Buffer::of(std::move(result));
  };
  switch (to) {
    case Type::FLOAT32:
      return write(0.0F);
    case Type::INT32:
      return write(int32_t{0});
    case Type::INT64:
      return write(int64_t{0});
    default:
      return std::nullopt;
  }
}

// Sums, differences and products of integers (shapes, indices), as the runtime wraps them.
template <class T>
std::optional<Buffer> integer_arithmetic(const Operator& op, const Tensor& x, const Tensor& y, const Shape& out) {
  const auto* options = std::get_if<ArithmeticOptions>(&op.options);
  if (options != nullptr && options->activation != Activation::NONE) return std::nullopt;
  using U = std::make_unsigned_t<T>;
  const auto run = [&](auto f) {
    const auto wrapped = [&](T a, T b) { return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b))); };
    return Buffer::of(broadcast<T>(x, y, out, wrapped));
  };
  switch (op.op) {
    case Op::ADD:
      return run([](U a, U b) { return a + b; });
    case Op::SUB:
      return run([](U a, U b) { return a - b; });
    case Op::MUL:
      return run([](U a, U b) { return a * b; });
    case Op::MAXIMUM:
      return Buffer::of(broadcast<T>(x, y, out, [](T a, T b) { return std::max(a, b); }));
    case Op::MINIMUM:
      return Buffer::of(broadcast<T>(x, y, out, [](T a, T b) { return std::min(a, b); }));
    case Op::FLOOR_DIV: {
      const auto divisors = y.buffer.as<T>();
      if (std::any_of(divisors.begin(), divisors.end(), [](T value) { return value == 0 || value == -1; })) {
        return std::nullopt;
      }
      return Buffer::of(broadcast<T>(x, y, out, [](T a, T b) {
        const T quotient = a / b;
        return static_cast<T>(a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient);
      }));
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Buffer> evaluate_operator(const Editor& editor, const Operator& op, bool dequantize) {
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  const bool is_float = x.type == Type::FLOAT32 && out.type == Type::FLOAT32;
  switch (op.op) {
    case Op::RESHAPE:
    case Op::SQUEEZE:
    case Op::EXPAND_DIMS:
      return x.buffer;
    case Op::TRANSPOSE: {
      const auto permutation = constant_integers(editor.subgraph(), op, 1);
      const int bits = bits_of(x.type);
      if (!permutation || bits == 0 || bits % 8 != 0) return std::nullopt;
      Order order;
      for (int64_t axis : *permutation) order.push_back(normalized_axis(axis, x.rank()));
      if (!is_permutation_of_axes(order, x.rank())) return std::nullopt;
      return permute_bytes(x.buffer, static_cast<size_t>(bits) / 8, x.shape, order);
    }
    case Op::QUANTIZE:
      if (x.type != Type::FLOAT32 || (out.type != Type::INT8 && out.type != Type::INT16)) return std::nullopt;
      return quantize_constant(x.buffer.as<float>(), out.shape, out.quantization, out.type);
    case Op::DEQUANTIZE:
      if (!dequantize || (x.type != Type::INT8 && x.type != Type::INT16) || out.type != Type::FLOAT32)
        return std::nullopt;
      return Buffer::of(dequantize_constant(x));
    case Op::CAST:
      return cast(x, out.type);
    default:
      break;
  }
  if (const Unary f = unary_function(op.op); f != nullptr && is_float) {
    std::vector<float> result;
    for (float value : x.buffer.as<float>()) result.push_back(f(value));
    return Buffer::of(std::move(result));
  }
  if (const Binary f = binary_function(op); f != nullptr && is_float && op.inputs.size() == 2) {
    const Tensor& y = editor.tensor(op.inputs[1]);
    if (y.type != Type::FLOAT32) return std::nullopt;
    return Buffer::of(broadcast<float>(x, y, out.shape, f));
  }
  if (op.inputs.size() == 2 && x.type == out.type && editor.tensor(op.inputs[1]).type == x.type) {
    const Tensor& y = editor.tensor(op.inputs[1]);
    if (x.type == Type::INT32) {
      if (auto result = integer_arithmetic<int32_t>(op, x, y, out.shape)) return result;
    } else if (x.type == Type::INT64) {
      if (auto result = integer_arithmetic<int64_t>(op, x, y, out.shape)) return result;
    }
  }
  if (auto result = evaluate_creation(editor, op)) return result;
  if (auto result = evaluate_choice(editor, op)) return result;
  if (auto result = evaluate_reduction(editor, op)) return result;
  return evaluate_movement(editor, op);
}

int fold_constants(Subgraph& subgraph, bool dequantize) {
  Editor editor(subgraph);
  // Files of other origin need not say of every tensor that its size is dynamic.
  const bool is_static = std::all_of(subgraph.tensors.begin(), subgraph.tensors.end(), [](const Tensor& tensor) {
    const Shape& signature = tensor.shape_signature;
    return std::find(signature.begin(), signature.end(), -1) == signature.end();
  });
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (op.inputs.empty() || op.outputs.size() != 1 || op.channels_first) continue;
    bool constant = true;
    for (int id : op.inputs) constant = constant && id != kNoTensor && editor.tensor(id).is_constant();
    constant = constant || (op.op == Op::SHAPE && is_static);
    if (!constant || editor.is_output(op.outputs[0]) || editor.tensor(op.outputs[0]).is_variable) continue;
    auto contents = evaluate_operator(editor, op, dequantize);
    if (!contents) continue;
    const int out = op.outputs[0];
    editor.remove(o);
    editor.tensor(out).buffer = std::move(*contents);
    editor.tensor(out).shape_signature.clear();
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
