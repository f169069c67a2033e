#include "tflite/passes/forms/scalar_functions.h"

#include <algorithm>
#include <cmath>

namespace tinyml::tflite {
namespace {

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::RELU:
      return std::max(x, 0.0);
    case Activation::RELU6:
      return std::clamp(x, 0.0, 6.0);
    case Activation::RELU_N1_TO_1:
      return std::clamp(x, -1.0, 1.0);
    default:
      return x;
  }
}

Activation activation_in(const Operator& op) {
  const auto* arithmetic = std::get_if<ArithmeticOptions>(&op.options);
  return arithmetic == nullptr ? Activation::NONE : arithmetic->activation;
}

double gelu(double x, bool approximate) {
  if (!approximate) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

using Unary = double (*)(double);

Unary unary_function(Op op) {
  switch (op) {
    case Op::LOGISTIC:
      return [](double x) { return 1 / (1 + std::exp(-x)); };
    case Op::TANH:
      return [](double x) { return std::tanh(x); };
    case Op::EXP:
      return [](double x) { return std::exp(x); };
    case Op::LOG:
      return [](double x) { return std::log(x); };
    case Op::NEG:
      return [](double x) { return -x; };
    case Op::ABS:
      return [](double x) { return std::abs(x); };
    case Op::SQUARE:
      return [](double x) { return x * x; };
    case Op::SQRT:
      return [](double x) { return std::sqrt(x); };
    case Op::RSQRT:
      return [](double x) { return 1 / std::sqrt(x); };
    case Op::RELU:
      return [](double x) { return std::max(x, 0.0); };
    case Op::RELU6:
      return [](double x) { return std::clamp(x, 0.0, 6.0); };
    case Op::RELU_N1_TO_1:
      return [](double x) { return std::clamp(x, -1.0, 1.0); };
    case Op::HARD_SWISH:
      return [](double x) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; };
    case Op::ELU:
      return [](double x) { return x < 0 ? std::expm1(x) : x; };
    default:
      return nullptr;
  }
}

using Binary = double (*)(double, double);

Binary binary_function(Op op) {
  switch (op) {
    case Op::ADD:
      return [](double a, double b) { return a + b; };
    case Op::SUB:
      return [](double a, double b) { return a - b; };
    case Op::MUL:
      return [](double a, double b) { return a * b; };
    case Op::DIV:
      return [](double a, double b) { return a / b; };
    case Op::MAXIMUM:
      return [](double a, double b) { return std::max(a, b); };
    case Op::MINIMUM:
      return [](double a, double b) { return std::min(a, b); };
    default:
      return nullptr;
  }
}

}  // namespace

std::optional<std::vector<size_t>> computed_inputs(const Editor& editor, const Operator& op) {
  std::vector<size_t> computed;
  for (size_t slot = 0; slot < op.inputs.size(); ++slot) {
    if (op.inputs[slot] == kNoTensor) return std::nullopt;
    const Tensor& tensor = editor.tensor(op.inputs[slot]);
    if (!tensor.is_constant()) {
      computed.push_back(slot);
    } else if (tensor.type != Type::FLOAT32 || element_count(tensor.shape) != 1) {
      return std::nullopt;
    }
  }
  return computed;
}

std::optional<std::vector<double>> apply_scalar(const Editor& editor, const Operator& op, size_t input,
                                                const std::vector<double>& values) {
  std::vector<double> result(values.size());
  if (op.inputs.size() == 1) {
    if (const Unary function = unary_function(op.op)) {
      std::transform(values.begin(), values.end(), result.begin(), function);
    } else if (const auto* leaky = std::get_if<LeakyReluOptions>(&op.options)) {
      const double slope = leaky->alpha;
      std::transform(values.begin(), values.end(), result.begin(), [&](double x) { return x < 0 ? slope * x : x; });
    } else if (const auto* exact = std::get_if<GeluOptions>(&op.options)) {
      const bool approximate = exact->approximate;
      std::transform(values.begin(), values.end(), result.begin(), [&](double x) { return gelu(x, approximate); });
    } else {
      return std::nullopt;
    }
    return result;
  }
  const Binary function = binary_function(op.op);
  if (function == nullptr || op.inputs.size() != 2) return std::nullopt;
  const Tensor& other = editor.tensor(op.inputs[1 - input]);
  if (!other.is_constant() || other.type != Type::FLOAT32) return std::nullopt;
  const double constant = other.buffer.as<float>()[0];
  const Activation activation = activation_in(op);
  std::transform(values.begin(), values.end(), result.begin(), [&](double x) {
    return activate(activation, input == 0 ? function(x, constant) : function(constant, x));
  });
  return result;
}

std::optional<std::vector<double>> apply_join(const Operator& op, const std::vector<double>& a,
                                              const std::vector<double>& b) {
  if (op.op != Op::ADD && op.op != Op::SUB && op.op != Op::MUL) return std::nullopt;
  const Binary function = binary_function(op.op);
  const Activation activation = activation_in(op);
  std::vector<double> result(a.size());
  std::transform(a.begin(), a.end(), b.begin(), result.begin(),
                 [&](double x, double y) { return activate(activation, function(x, y)); });
  return result;
}

}  // namespace tinyml::tflite
