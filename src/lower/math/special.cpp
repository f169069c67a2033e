// erf and other functions that are composed of several operators.
#include <cmath>
#include <numbers>

#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

TensorId self(Lowering& at) { return at.input("self", Type::FLOAT32); }
TensorId other(Lowering& at) { return at.input("other", Type::FLOAT32); }
TensorId multiply(Lowering& at, TensorId a, TensorId b) { return at.binary(Op::MUL, a, b); }

// The exact GELU is z * (1 + erf(z / sqrt(2))) / 2, so erf(|x|) is 2 * gelu(z) / z - 1 at z = sqrt(2) |x|; z is kept
// away from zero, and at most 6, beyond which erf is one in float32.
TensorId erf(Lowering& at, TensorId x) {
  TensorId z = multiply(at, at.unary(Op::ABS, x), number(at, std::numbers::sqrt2));
  z = at.binary(Op::MAXIMUM, at.unary(Op::RELU6, z), number(at, 1e-20));
  const TensorId ratio = at.binary(Op::DIV, at.unary(Op::GELU, z, tflite::GeluOptions{false}), z);
  const TensorId size = at.binary(Op::SUB, multiply(at, ratio, number(at, 2)), number(at, 1));
  return multiply(at, at.unary(Op::SIGN, x), size);
}

void lower_erf(Lowering& at) { at.set_output(erf(at, self(at))); }
void lower_erfc(Lowering& at) { at.set_output(at.binary(Op::SUB, number(at, 1), erf(at, self(at)))); }

void lower_exp2(Lowering& at) {
  at.set_output(at.unary(Op::EXP, multiply(at, self(at), number(at, std::numbers::ln2))));
}

void lower_logit(Lowering& at) {  // log(x / (1 - x))
  TensorId x = self(at);
  if (at.has("eps")) {
    const double margin = at.number("eps");
    x = at.binary(Op::MAXIMUM, at.binary(Op::MINIMUM, x, number(at, 1 - margin)), number(at, margin));
  }
  at.set_output(at.unary(Op::LOG, at.binary(Op::DIV, x, at.binary(Op::SUB, number(at, 1), x))));
}

void lower_logaddexp(Lowering& at) { at.set_output(log_add_exp(at, self(at), other(at))); }

void lower_logaddexp2(Lowering& at) {
  const TensorId a = multiply(at, self(at), number(at, std::numbers::ln2));
  const TensorId b = multiply(at, other(at), number(at, std::numbers::ln2));
  at.set_output(multiply(at, log_add_exp(at, a, b), number(at, std::numbers::log2e)));
}

void lower_xlogy(Lowering& at) {  // zero where x is, whatever y
  const TensorId x = self(at);
  const TensorId product = multiply(at, x, at.unary(Op::LOG, other(at)));
  at.set_output(at.select(at.compare(Op::EQUAL, x, number(at, 0)), number(at, 0), product));
}

void lower_heaviside(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId x = at.input("self", type);
  const TensorId above = at.cast(at.compare(Op::GREATER, x, at.scalar(0, type)), type);
  at.set_output(at.select(at.compare(Op::EQUAL, x, at.scalar(0, type)), at.input("values", type), above));
}

void lower_copysign(Lowering& at) {
  const TensorId size = at.unary(Op::ABS, self(at));
  const TensorId negative = at.compare(Op::LESS, other(at), number(at, 0));
  at.set_output(at.select(negative, at.unary(Op::NEG, size), size));
}

void lower_ldexp(Lowering& at) { at.set_output(multiply(at, self(at), at.binary(Op::POW, number(at, 2), other(at)))); }

}  // namespace

void register_special(Registry& registry) {
  registry.add({"erf.default", "special_erf.default"}, lower_erf);
  registry.add({"erfc.default", "special_erfc.default"}, lower_erfc);
  registry.add({"exp2.default", "special_exp2.default"}, lower_exp2);
  registry.add({"logit.default", "special_logit.default"}, lower_logit);
  registry.add({"logaddexp.default"}, lower_logaddexp, "infinite operands give what is not a number");
  registry.add({"logaddexp2.default"}, lower_logaddexp2, "infinite operands give what is not a number");
  registry.add({"xlogy.Tensor", "xlogy.Scalar_Self", "xlogy.Scalar_Other", "special_xlogy.default"}, lower_xlogy);
  registry.add({"heaviside.default"}, lower_heaviside);
  registry.add({"copysign.Tensor", "copysign.Scalar"}, lower_copysign, "-0.0 counts as positive");
  registry.add({"ldexp.Tensor"}, lower_ldexp);
}

}  // namespace tinyml::lowering
