// Element-wise functions of one operand, logic and type conversion.
#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

template <Op op>
void lower_float(Lowering& at) {
  at.set_output(at.unary(op, at.input("self", Type::FLOAT32)));
}

template <Op op>
void lower_same_type(Lowering& at) {
  at.set_output(at.unary(op, at.input("self", at.output_type())));
}

void lower_square(Lowering& at) {
  const TensorId x = at.input("self", at.output_type());
  at.set_output(at.binary(Op::MUL, x, x));
}

void lower_reciprocal(Lowering& at) {
  at.set_output(at.binary(Op::DIV, at.scalar(1, Type::FLOAT32), at.input("self", Type::FLOAT32)));
}

void lower_log1p(Lowering& at) {
  at.set_output(at.unary(Op::LOG, at.binary(Op::ADD, at.input("self", Type::FLOAT32), at.scalar(1, Type::FLOAT32))));
}

void lower_expm1(Lowering& at) {
  at.set_output(at.binary(Op::SUB, at.unary(Op::EXP, at.input("self", Type::FLOAT32)), at.scalar(1, Type::FLOAT32)));
}

template <int base>
void lower_log_base(Lowering& at) {
  const TensorId log = at.unary(Op::LOG, at.input("self", Type::FLOAT32));
  at.set_output(at.binary(Op::MUL, log, at.scalar(1 / std::log(static_cast<double>(base)), Type::FLOAT32)));
}

void lower_trunc(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  at.set_output(at.binary(Op::MUL, at.unary(Op::SIGN, x), at.unary(Op::FLOOR, at.unary(Op::ABS, x))));
}

void lower_logical_not(Lowering& at) { at.set_output(at.unary(Op::LOGICAL_NOT, at.input("self", Type::BOOL))); }

void lower_bitwise_not(Lowering& at) {
  const Type type = at.output_type();
  if (type == Type::BOOL) return lower_logical_not(at);
  at.set_output(at.binary(Op::SUB, at.scalar(-1, type), at.input("self", type)));
}

template <Op op>
void lower_logical(Lowering& at) {
  if (at.output_type() != Type::BOOL) at.refuse("bits of integers; TFLite combines booleans only");
  at.set_output(at.binary(op, at.input("self", Type::BOOL), at.input("other", Type::BOOL)));
}

void lower_logical_xor(Lowering& at) {
  if (at.output_type() != Type::BOOL) at.refuse("bits of integers; TFLite combines booleans only");
  at.set_output(at.compare(Op::NOT_EQUAL, at.input("self", Type::BOOL), at.input("other", Type::BOOL)));
}

}  // namespace

void register_unary(Registry& registry) {
  registry.add({"exp.default"}, lower_float<Op::EXP>);
  registry.add({"log.default"}, lower_float<Op::LOG>);
  registry.add({"sqrt.default"}, lower_float<Op::SQRT>);
  registry.add({"rsqrt.default"}, lower_float<Op::RSQRT>);
  registry.add({"sin.default"}, lower_float<Op::SIN>);
  registry.add({"cos.default"}, lower_float<Op::COS>);
  registry.add({"floor.default"}, lower_float<Op::FLOOR>);
  registry.add({"ceil.default"}, lower_float<Op::CEIL>);
  registry.add({"round.default"}, lower_float<Op::ROUND>);
  registry.add({"trunc.default", "fix.default"}, lower_trunc);
  registry.add({"abs.default"}, lower_same_type<Op::ABS>);
  registry.add({"neg.default"}, lower_same_type<Op::NEG>);
  registry.add({"sign.default", "sgn.default"}, lower_same_type<Op::SIGN>);
  registry.add({"square.default"}, lower_square);
  registry.add({"reciprocal.default"}, lower_reciprocal);
  registry.add({"log1p.default"}, lower_log1p);
  registry.add({"expm1.default"}, lower_expm1);
  registry.add({"log2.default"}, lower_log_base<2>);
  registry.add({"log10.default"}, lower_log_base<10>);
  registry.add({"logical_not.default"}, lower_logical_not);
  registry.add({"bitwise_not.default"}, lower_bitwise_not);
  registry.add({"logical_and.default", "bitwise_and.Tensor", "__and__.Tensor"}, lower_logical<Op::LOGICAL_AND>);
  registry.add({"logical_or.default", "bitwise_or.Tensor", "__or__.Tensor"}, lower_logical<Op::LOGICAL_OR>);
  registry.add({"logical_xor.default", "bitwise_xor.Tensor"}, lower_logical_xor);
}

}  // namespace tinyml::lowering
