// Division, its roundings and its remainders.
#include <cmath>

#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Division by a constant is a multiplication.
void lower_div(Lowering& at) {
  const TensorId self = at.input("self", Type::FLOAT32);
  if (at.node().arg("other").is_number()) {
    return at.set_output(at.binary(Op::MUL, self, at.scalar(1 / at.number("other"), Type::FLOAT32)));
  }
  at.set_output(at.binary(Op::DIV, self, at.input("other", Type::FLOAT32)));
}

void floor_divide(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId self = at.input("self", type);
  const TensorId other = at.input("other", type);
  if (type == Type::FLOAT32) return at.set_output(at.unary(Op::FLOOR, at.binary(Op::DIV, self, other)));
  at.set_output(at.binary(Op::FLOOR_DIV, self, other));
}

void lower_div_mode(Lowering& at) {
  if (!at.has("rounding_mode")) return lower_div(at);
  if (at.node().arg("rounding_mode").as_string() == "floor") return floor_divide(at);
  const Type type = computing_type(at.output_type());
  const TensorId quotient = at.binary(Op::DIV, at.input("self", type), at.input("other", type));
  at.set_output(type == Type::FLOAT32 ? truncate(at, quotient) : quotient);  // integer DIV truncates
}

// The sign of the divisor, which is FLOOR_MOD's as well.
void lower_remainder(Lowering& at) {
  const Type type = computing_type(at.output_type());
  at.set_output(at.binary(Op::FLOOR_MOD, at.input("self", type), at.input("other", type)));
}

// The sign of the dividend.
void lower_fmod(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId self = at.input("self", type);
  const TensorId size = at.node().arg("other").is_number() ? at.scalar(std::abs(at.number("other")), type)
                                                           : at.unary(Op::ABS, at.input("other", type));
  const TensorId rest = at.binary(Op::FLOOR_MOD, at.unary(Op::ABS, self), size);
  at.set_output(at.binary(Op::MUL, at.unary(Op::SIGN, self), rest));
}

}  // namespace

void register_division(Registry& registry) {
  registry.add({"div.Tensor", "div.Scalar", "true_divide.Tensor", "true_divide.Scalar"}, lower_div);
  registry.add({"div.Tensor_mode", "div.Scalar_mode"}, lower_div_mode);
  registry.add({"floor_divide.default", "floor_divide.Scalar"}, floor_divide);
  registry.add({"remainder.Tensor", "remainder.Scalar", "remainder.Scalar_Tensor"}, lower_remainder);
  registry.add({"fmod.Tensor", "fmod.Scalar"}, lower_fmod);
}

}  // namespace tinyml::lowering
