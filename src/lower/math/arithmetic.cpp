// Element-wise operators of two operands, with broadcasting and type promotion.
#include <cmath>

#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// other * alpha, as add and sub have it.
TensorId scaled_other(Lowering& at, Type type) {
  const double alpha = at.node().has_arg("alpha") ? at.number("alpha") : 1;
  if (at.node().arg("other").is_number()) return at.scalar(at.number("other") * alpha, type);
  const TensorId other = at.input("other", type);
  return alpha == 1 ? other : at.binary(Op::MUL, other, at.scalar(alpha, type));
}

template <Op op>
void lower_binary(Lowering& at) {
  const Type type = computing_type(at.output_type());
  if (type == Type::BOOL) {
    const Op logical = op == Op::MUL || op == Op::MINIMUM ? Op::LOGICAL_AND : Op::LOGICAL_OR;
    if (op == Op::SUB || op == Op::POW) at.refuse("boolean operands", "convert them to numbers with .to(...)");
    return at.set_output(at.binary(logical, at.input("self", type), at.input("other", type)));
  }
  at.set_output(at.binary(op, at.input(first_name(at), type), scaled_other(at, type)));
}

void lower_rsub(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const double alpha = at.number("alpha");
  TensorId self = at.input("self", type);
  if (alpha != 1) self = at.binary(Op::MUL, self, at.scalar(alpha, type));
  at.set_output(at.binary(Op::SUB, at.input("other", type), self));
}

// What is not a number loses against a number.
template <Op op>
void lower_numeric_extremum(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId a = at.input("self", type);
  const TensorId b = at.input("other", type);
  const TensorId extremum = at.binary(op, a, b);
  if (type != Type::FLOAT32) return at.set_output(extremum);
  at.set_output(at.select(is_nan(at, a), b, at.select(is_nan(at, b), a, extremum)));
}

void lower_pow(Lowering& at) {
  const Type type = computing_type(at.output_type());
  if (at.node().arg("exponent").is_number()) {
    const double exponent = at.number("exponent");
    const TensorId self = at.input("self", type);
    const bool is_whole = exponent == 1 || exponent == 2 || exponent == 3 || exponent == 4;
    if (type == Type::FLOAT32 || is_whole) return at.set_output(power(at, self, exponent));
  }
  at.set_output(at.binary(Op::POW, at.input("self", type), at.input("exponent", type)));
}

// self + value * tensor1 (op) tensor2
template <Op op>
void lower_addc(Lowering& at) {
  const Type type = computing_type(at.output_type());
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
  constexpr auto kNumbers = "booleans are refused: TFLite has no arithmetic of them";
  registry.add({"add.Tensor", "add.Scalar"}, lower_binary<Op::ADD>);
  registry.add({"sub.Tensor", "sub.Scalar"}, lower_binary<Op::SUB>, kNumbers);
  registry.add({"mul.Tensor", "mul.Scalar"}, lower_binary<Op::MUL>);
  registry.add({"minimum.default", "min.other"}, lower_binary<Op::MINIMUM>);
  registry.add({"maximum.default", "max.other"}, lower_binary<Op::MAXIMUM>);
  registry.add({"fmin.default"}, lower_numeric_extremum<Op::MINIMUM>);
  registry.add({"fmax.default"}, lower_numeric_extremum<Op::MAXIMUM>);
  registry.add({"rsub.Scalar", "rsub.Tensor"}, lower_rsub);
  registry.add({"pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar", "float_power.Tensor_Scalar",
                "float_power.Tensor_Tensor", "float_power.Scalar"},
               lower_pow);
  registry.add({"addcmul.default"}, lower_addc<Op::MUL>);
  registry.add({"addcdiv.default"}, lower_addc<Op::DIV>);
  registry.add({"lerp.Tensor", "lerp.Scalar"}, lower_lerp);
}

}  // namespace tinyml::lowering
