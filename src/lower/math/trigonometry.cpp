// Circular and hyperbolic functions and their inverses, from SIN, COS, ATAN2, EXP and LOG.
#include <cmath>
#include <numbers>

#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

TensorId self(Lowering& at) { return at.input("self", Type::FLOAT32); }
TensorId add(Lowering& at, TensorId a, TensorId b) { return at.binary(Op::ADD, a, b); }
TensorId subtract(Lowering& at, TensorId a, TensorId b) { return at.binary(Op::SUB, a, b); }
TensorId multiply(Lowering& at, TensorId a, TensorId b) { return at.binary(Op::MUL, a, b); }

TensorId atan2(Lowering& at, TensorId y, TensorId x) {  // the operator wants equal shapes
  const Sizes shape = broadcast(at.shape(y), at.shape(x));
  return at.binary(Op::ATAN2, at.broadcast_to(y, shape), at.broadcast_to(x, shape));
}

// sqrt(1 - x * x), exact near one.
TensorId cathetus(Lowering& at, TensorId x) {
  const TensorId product = multiply(at, subtract(at, number(at, 1), x), add(at, x, number(at, 1)));
  return at.unary(Op::SQRT, product);
}

void lower_tan(Lowering& at) {
  const TensorId x = self(at);
  at.set_output(at.binary(Op::DIV, at.unary(Op::SIN, x), at.unary(Op::COS, x)));
}

void lower_asin(Lowering& at) { at.set_output(atan2(at, self(at), cathetus(at, self(at)))); }
void lower_acos(Lowering& at) { at.set_output(atan2(at, cathetus(at, self(at)), self(at))); }
void lower_atan(Lowering& at) { at.set_output(atan2(at, self(at), number(at, 1))); }

void lower_atan2(Lowering& at) { at.set_output(atan2(at, self(at), at.input("other", Type::FLOAT32))); }

// (exp(x) -+ exp(-x)) / 2
template <Op op>
void lower_hyperbolic(Lowering& at) {
  const TensorId x = self(at);
  const TensorId both = at.binary(op, at.unary(Op::EXP, x), at.unary(Op::EXP, at.unary(Op::NEG, x)));
  at.set_output(multiply(at, both, number(at, 0.5)));
}

// sign(x) * log(|x| + sqrt(x * x + 1))
void lower_asinh(Lowering& at) {
  const TensorId x = self(at);
  const TensorId root = at.unary(Op::SQRT, add(at, multiply(at, x, x), number(at, 1)));
  const TensorId log = at.unary(Op::LOG, add(at, at.unary(Op::ABS, x), root));
  at.set_output(multiply(at, at.unary(Op::SIGN, x), log));
}

void lower_acosh(Lowering& at) {  // log(x + sqrt(x * x - 1))
  const TensorId x = self(at);
  const TensorId root = at.unary(Op::SQRT, subtract(at, multiply(at, x, x), number(at, 1)));
  at.set_output(at.unary(Op::LOG, add(at, x, root)));
}

void lower_atanh(Lowering& at) {  // log((1 + x) / (1 - x)) / 2
  const TensorId x = self(at);
  const TensorId ratio = at.binary(Op::DIV, add(at, x, number(at, 1)), subtract(at, number(at, 1), x));
  at.set_output(multiply(at, at.unary(Op::LOG, ratio), number(at, 0.5)));
}

void lower_sinc(Lowering& at) {  // sin(pi x) / (pi x), one at zero
  const TensorId x = multiply(at, self(at), number(at, std::numbers::pi));
  const TensorId ratio = at.binary(Op::DIV, at.unary(Op::SIN, x), x);
  at.set_output(at.select(at.compare(Op::EQUAL, x, number(at, 0)), number(at, 1), ratio));
}

void lower_hypot(Lowering& at) {
  const TensorId a = self(at);
  const TensorId b = at.input("other", Type::FLOAT32);
  at.set_output(at.unary(Op::SQRT, add(at, multiply(at, a, a), multiply(at, b, b))));
}

void lower_deg2rad(Lowering& at) { at.set_output(multiply(at, self(at), number(at, std::numbers::pi / 180))); }
void lower_rad2deg(Lowering& at) { at.set_output(multiply(at, self(at), number(at, 180 / std::numbers::pi))); }

}  // namespace

void register_trigonometry(Registry& registry) {
  registry.add({"tan.default"}, lower_tan);
  registry.add({"asin.default", "arcsin.default"}, lower_asin);
  registry.add({"acos.default", "arccos.default"}, lower_acos);
  registry.add({"atan.default", "arctan.default"}, lower_atan);
  registry.add({"atan2.default", "arctan2.default"}, lower_atan2);
  registry.add({"sinh.default"}, lower_hyperbolic<Op::SUB>);
  registry.add({"cosh.default"}, lower_hyperbolic<Op::ADD>);
  registry.add({"asinh.default", "arcsinh.default"}, lower_asinh);
  registry.add({"acosh.default", "arccosh.default"}, lower_acosh);
  registry.add({"atanh.default", "arctanh.default"}, lower_atanh);
  registry.add({"sinc.default", "special_sinc.default"}, lower_sinc);
  registry.add({"hypot.default"}, lower_hypot);
  registry.add({"deg2rad.default"}, lower_deg2rad);
  registry.add({"rad2deg.default"}, lower_rad2deg);
}

}  // namespace tinyml::lowering
