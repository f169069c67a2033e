// Activations: one operator where TFLite has it, else composed.
#include <cmath>
#include <limits>

#include "lower/nn/losses.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const char* self_name(const Lowering& at) { return at.node().has_arg("self") ? "self" : "input"; }
TensorId number(Lowering& at, double value) { return at.scalar(value, Type::FLOAT32); }

template <Op op>
void lower_one(Lowering& at) {
  tflite::Options options;
  if constexpr (op == Op::GELU) options = tflite::GeluOptions{at.node().arg("approximate").as_string() == "tanh"};
  if constexpr (op == Op::LEAKY_RELU)
    options = tflite::LeakyReluOptions{static_cast<float>(at.number("negative_slope"))};
  const Type type = at.output_type();
  if (op == Op::RELU && type != Type::FLOAT32) {
    const TensorId x = at.input(self_name(at), Type::INT32);
    return at.set_output(at.binary(Op::MAXIMUM, x, at.scalar(0, Type::INT32)));
  }
  at.set_output(at.unary(op, at.input(self_name(at), type), options));
}

// min and max bounds with the operator that has exactly them.
TensorId clamp(Lowering& at, TensorId x, double low, double high) {
  const Type type = at.type(x);
  if (type == Type::FLOAT32) {
    if (low == 0 && high == 6) return at.unary(Op::RELU6, x);
    if (low == -1 && high == 1) return at.unary(Op::RELU_N1_TO_1, x);
    if (low == 0 && high == 1) return at.unary(Op::RELU_0_TO_1, x);
  }
  if (low == 0 && type == Type::FLOAT32 && high >= 0) {
    x = at.unary(Op::RELU, x);
  } else if (low != -kInfinity) {
    x = at.binary(Op::MAXIMUM, x, at.scalar(low, type));
  }
  return high == kInfinity ? x : at.binary(Op::MINIMUM, x, at.scalar(high, type));
}

void lower_clamp(Lowering& at) {
  const bool minimum = at.node().has_arg("min") && at.has("min");
  const bool maximum = at.node().has_arg("max") && at.has("max");
  const TensorId x = at.input("self", at.output_type());
  at.set_output(clamp(at, x, minimum ? at.number("min") : -kInfinity, maximum ? at.number("max") : kInfinity));
}

void lower_clamp_tensor(Lowering& at) {
  TensorId x = at.input("self", at.output_type());
  if (at.node().has_arg("min") && at.has("min")) x = at.binary(Op::MAXIMUM, x, at.input("min", at.output_type()));
  if (at.node().has_arg("max") && at.has("max")) x = at.binary(Op::MINIMUM, x, at.input("max", at.output_type()));
  at.set_output(x);
}

void lower_hardtanh(Lowering& at) {
  at.set_output(clamp(at, at.input("self", at.output_type()), at.number("min_val"), at.number("max_val")));
}

// relu and relu6, which the runtime has for floats only.
void lower_relu(Lowering& at, double high) {
  at.set_output(clamp(at, at.input(self_name(at), at.output_type()), 0, high));
}

void lower_prelu(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  TensorId alpha = at.input("weight", Type::FLOAT32);
  if (at.rank(x) > 1) {
    Sizes shape = {at.shape(alpha)[0]};
    for (int64_t i = 2; i < at.rank(x); ++i) shape.push_back(1);
    if (const Tensor* data = at.constant_data("weight")) {
      alpha = at.constant(data->reshaped(shape), std::string(at.tensor(alpha).name));
    } else {
      alpha = at.reshape(alpha, shape);
    }
  }
  at.set_output(at.emit(Op::PRELU, {x, alpha}, Type::FLOAT32, at.shape(x)));
}

// scale * (max(x, 0) + alpha * (exp(min(x, 0) * input_scale) - 1))
TensorId elu(Lowering& at, TensorId x, double alpha, double scale, double input_scale) {
  if (alpha == 1 && scale == 1 && input_scale == 1) return at.unary(Op::ELU, x);
  TensorId scaled = x;
  if (input_scale < 0) {  // exp grows where x is negative, which ELU has no branch for
    scaled = at.binary(Op::MUL, at.binary(Op::MINIMUM, x, number(at, 0)), number(at, input_scale));
    const TensorId exponential = at.binary(Op::SUB, at.unary(Op::EXP, scaled), number(at, 1));
    const TensorId positive = at.binary(Op::MUL, at.unary(Op::RELU, x), number(at, scale));
    return at.binary(Op::ADD, positive, at.binary(Op::MUL, exponential, number(at, scale * alpha)));
  }
  if (input_scale != 1) scaled = at.binary(Op::MUL, x, number(at, input_scale));
  const TensorId negative = at.binary(Op::MINIMUM, at.unary(Op::ELU, scaled), number(at, 0));
  const TensorId positive = at.unary(Op::RELU, x);
  const TensorId scaled_positive = scale == 1 ? positive : at.binary(Op::MUL, positive, number(at, scale));
  return at.binary(Op::ADD, scaled_positive, at.binary(Op::MUL, negative, number(at, scale * alpha)));
}

void lower_elu(Lowering& at) {
  at.set_output(
      elu(at, at.input("self", Type::FLOAT32), at.number("alpha"), at.number("scale"), at.number("input_scale")));
}

void lower_selu(Lowering& at) {
  at.set_output(elu(at, at.input("self", Type::FLOAT32), 1.6732632423543772, 1.0507009873554805, 1));
}

void lower_celu(Lowering& at) {
  const double alpha = at.number("alpha");
  at.set_output(elu(at, at.input("self", Type::FLOAT32), alpha, 1, 1 / alpha));
}

void lower_silu(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  at.set_output(at.binary(Op::MUL, x, at.unary(Op::LOGISTIC, x)));
}

void lower_hardsigmoid(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const TensorId raised = at.unary(Op::RELU6, at.binary(Op::ADD, x, number(at, 3)));
  at.set_output(at.binary(Op::MUL, raised, number(at, 1.0 / 6)));
}

// `threshold` guards PyTorch's own form against overflow: from 15 on it changes nothing but the rounding.
void lower_softplus(Lowering& at) {
  const double beta = at.number("beta");
  const double threshold = at.number("threshold");
  const TensorId x = at.input("self", Type::FLOAT32);
  const TensorId scaled = beta == 1 ? x : at.binary(Op::MUL, x, number(at, beta));
  TensorId y = softplus(at, scaled);
  if (beta != 1) y = at.binary(Op::MUL, y, number(at, 1 / beta));
  if (threshold < 15) y = at.select(at.compare(Op::GREATER, scaled, number(at, threshold)), x, y);
  at.set_output(y);
}

void lower_mish(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  at.set_output(at.binary(Op::MUL, x, at.unary(Op::TANH, softplus(at, x))));
}

void lower_log_sigmoid(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  at.set_output(at.unary(Op::NEG, softplus(at, at.unary(Op::NEG, x))));
}

void lower_rrelu(Lowering& at) {  // in inference: the mean of the slopes
  if (at.flag("training")) at.refuse("random slopes", "use the model in evaluation mode");
  const double slope = (at.number("lower") + at.number("upper")) / 2;
  at.set_output(at.unary(Op::LEAKY_RELU, at.input(self_name(at), Type::FLOAT32),
                         tflite::LeakyReluOptions{static_cast<float>(slope)}));
}

void lower_glu(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const int64_t axis = at.axis("dim", at.rank(x));
  Sizes begin(at.shape(x).size(), 0);
  const Sizes size = at.output_sizes();
  const TensorId value = at.slice(x, begin, size);
  begin[static_cast<size_t>(axis)] = size[static_cast<size_t>(axis)];
  at.set_output(at.binary(Op::MUL, value, at.unary(Op::LOGISTIC, at.slice(x, begin, size))));
}

}  // namespace

TensorId softplus(Lowering& at, TensorId x) {
  const TensorId decayed = at.unary(Op::EXP, at.unary(Op::NEG, at.unary(Op::ABS, x)));
  const TensorId rest = at.unary(Op::LOG, at.binary(Op::ADD, decayed, at.scalar(1, Type::FLOAT32)));
  return at.binary(Op::ADD, at.unary(Op::RELU, x), rest);
}

void register_activations(Registry& registry) {
  registry.add({"relu.default"}, [](Lowering& at) { lower_relu(at, kInfinity); });
  registry.add({"relu6.default"}, [](Lowering& at) { lower_relu(at, 6); });
  registry.add({"sigmoid.default", "special_expit.default"}, lower_one<Op::LOGISTIC>);
  registry.add({"tanh.default"}, lower_one<Op::TANH>);
  registry.add({"hardswish.default"}, lower_one<Op::HARD_SWISH>);
  registry.add({"gelu.default"}, lower_one<Op::GELU>);
  registry.add({"leaky_relu.default"}, lower_one<Op::LEAKY_RELU>);
  registry.add({"clamp.default", "clamp_min.default", "clamp_max.default", "clip.default"}, lower_clamp);
  registry.add({"clamp.Tensor", "clamp_min.Tensor", "clamp_max.Tensor", "clip.Tensor"}, lower_clamp_tensor);
  registry.add({"hardtanh.default"}, lower_hardtanh);
  registry.add({"prelu.default", "_prelu_kernel.default"}, lower_prelu);
  registry.add({"elu.default"}, lower_elu);
  registry.add({"selu.default"}, lower_selu);
  registry.add({"celu.default"}, lower_celu);
  registry.add({"silu.default"}, lower_silu);
  registry.add({"hardsigmoid.default"}, lower_hardsigmoid);
  registry.add({"softplus.default"}, lower_softplus);
  registry.add({"mish.default"}, lower_mish);
  registry.add({"log_sigmoid.default", "log_sigmoid_forward.default"}, lower_log_sigmoid);
  registry.add({"rrelu.default"}, lower_rrelu);
  registry.add({"glu.default"}, lower_glu);
}

}  // namespace tinyml::lowering
