// Element-wise operators of two operands, with broadcasting and type promotion.
#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

const char* first_name(const Lowering& at) { return at.node().has_arg("self") ? "self" : "input"; }

// other * alpha, as add and sub have it.
TensorId scaled_other(Lowering& at, Type type) {
  const double alpha = at.node().has_arg("alpha") ? at.number("alpha") : 1;
  if (at.node().arg("other").is_number()) return at.scalar(at.number("other") * alpha, type);
  const TensorId other = at.input("other", type);
  return alpha == 1 ? other : at.binary(Op::MUL, other, at.scalar(alpha, type));
}

template <Op op>
void lower_binary(Lowering& at) {
  const Type type = at.output_type();
  if (type == Type::BOOL) {
    const Op logical = op == Op::MUL || op == Op::MINIMUM ? Op::LOGICAL_AND : Op::LOGICAL_OR;
    if (op == Op::SUB || op == Op::POW) at.refuse("boolean operands");
    return at.set_output(at.binary(logical, at.input("self", type), at.input("other", type)));
  }
  at.set_output(at.binary(op, at.input(first_name(at), type), scaled_other(at, type)));
}

void lower_rsub(Lowering& at) {
  const Type type = at.output_type();
  const double alpha = at.number("alpha");
  TensorId self = at.input("self", type);
  if (alpha != 1) self = at.binary(Op::MUL, self, at.scalar(alpha, type));
  at.set_output(at.binary(Op::SUB, at.input("other", type), self));
}

// Division by a constant is a multiplication.
TensorId divide(Lowering& at, Type type) {
  const TensorId self = at.input("self", type);
  if (type == Type::FLOAT32 && at.node().arg("other").is_number()) {
    return at.binary(Op::MUL, self, at.scalar(1 / at.number("other"), type));
  }
  return at.binary(Op::DIV, self, at.input("other", type));
}

void lower_div(Lowering& at) { at.set_output(divide(at, Type::FLOAT32)); }

void lower_div_mode(Lowering& at) {
  const Type type = at.output_type();
  if (!at.has("rounding_mode")) return at.set_output(divide(at, Type::FLOAT32));
  const std::string& mode = at.node().arg("rounding_mode").as_string();
  if (mode == "floor") {
    if (type == Type::FLOAT32) {
      return at.set_output(at.unary(Op::FLOOR, at.binary(Op::DIV, at.input("self", type), at.input("other", type))));
    }
    return at.set_output(at.binary(Op::FLOOR_DIV, at.input("self", type), at.input("other", type)));
  }
  const TensorId quotient = at.binary(Op::DIV, at.input("self", type), at.input("other", type));
  if (type != Type::FLOAT32) return at.set_output(quotient);  // integer DIV truncates
  const TensorId magnitude = at.unary(Op::FLOOR, at.unary(Op::ABS, quotient));
  at.set_output(at.binary(Op::MUL, at.unary(Op::SIGN, quotient), magnitude));
}

void lower_floor_divide(Lowering& at) {
  const Type type = at.output_type();
  if (type == Type::FLOAT32) {
    return at.set_output(at.unary(Op::FLOOR, at.binary(Op::DIV, at.input("self", type), at.input("other", type))));
  }
  at.set_output(at.binary(Op::FLOOR_DIV, at.input("self", type), at.input("other", type)));
}

TensorId power(Lowering& at, TensorId x, double exponent) {
  if (exponent == 1) return x;
  if (exponent == 2) return at.binary(Op::MUL, x, x);
  if (exponent == 3) return at.binary(Op::MUL, at.binary(Op::MUL, x, x), x);
  if (exponent == 0.5) return at.unary(Op::SQRT, x);
  if (exponent == -0.5) return at.unary(Op::RSQRT, x);
  if (exponent == -1) return at.binary(Op::DIV, at.scalar(1, Type::FLOAT32), x);
  return at.binary(Op::POW, x, at.scalar(exponent, Type::FLOAT32));
}

void lower_pow(Lowering& at) {
  const Type type = at.output_type();
  if (type == Type::FLOAT32 && at.node().arg("exponent").is_number()) {
    return at.set_output(power(at, at.input("self", type), at.number("exponent")));
  }
  at.set_output(at.binary(Op::POW, at.input("self", type), at.input("exponent", type)));
}

// self + value * tensor1 (op) tensor2
template <Op op>
void lower_addc(Lowering& at) {
  const Type type = at.output_type();
  TensorId product = at.binary(op, at.input("tensor1", type), at.input("tensor2", type));
  if (const double value = at.number("value"); value != 1)
    product = at.binary(Op::MUL, product, at.scalar(value, type));
  at.set_output(at.binary(Op::ADD, at.input("self", type), product));
}

// self + weight * (end - self)
void lower_lerp(Lowering& at) {
  const Type type = at.output_type();
  const TensorId self = at.input("self", type);
  const TensorId difference = at.binary(Op::SUB, at.input("end", type), self);
  at.set_output(at.binary(Op::ADD, self, at.binary(Op::MUL, difference, at.input("weight", type))));
}

}  // namespace

void register_arithmetic(Registry& registry) {
  registry.add({"add.Tensor", "add.Scalar"}, lower_binary<Op::ADD>);
  registry.add({"sub.Tensor", "sub.Scalar"}, lower_binary<Op::SUB>);
  registry.add({"mul.Tensor", "mul.Scalar"}, lower_binary<Op::MUL>);
  registry.add({"minimum.default", "min.other"}, lower_binary<Op::MINIMUM>);
  registry.add({"maximum.default", "max.other"}, lower_binary<Op::MAXIMUM>);
  registry.add({"rsub.Scalar", "rsub.Tensor"}, lower_rsub);
  registry.add({"div.Tensor", "div.Scalar"}, lower_div);
  registry.add({"div.Tensor_mode", "div.Scalar_mode"}, lower_div_mode);
  registry.add({"floor_divide.default"}, lower_floor_divide);
  registry.add({"pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar"}, lower_pow);
  registry.add({"addcmul.default"}, lower_addc<Op::MUL>);
  registry.add({"addcdiv.default"}, lower_addc<Op::DIV>);
  registry.add({"lerp.Tensor", "lerp.Scalar"}, lower_lerp);
}

}  // namespace tinyml::lowering
