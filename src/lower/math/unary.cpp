// Element-wise functions of one operand.
#include <cmath>

#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

template <Op op>
void lower_float(Lowering& at) {
  at.set_output(at.unary(op, at.input("self", Type::FLOAT32)));
}

template <Op op>
void lower_same_type(Lowering& at) {
  at.set_output(at.unary(op, at.input("self", computing_type(at.output_type()))));
}

void lower_square(Lowering& at) {
  const TensorId x = at.input("self", computing_type(at.output_type()));
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
  if (at.output_type() != Type::FLOAT32) return at.set_output(at.input("self"));
  at.set_output(truncate(at, at.input("self", Type::FLOAT32)));
}

void lower_frac(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  at.set_output(at.binary(Op::SUB, x, truncate(at, x)));
}

// floor, ceil, round: integers are whole.
template <Op op>
void lower_rounding(Lowering& at) {
  if (at.output_type() != Type::FLOAT32) return at.set_output(at.input("self"));
  at.set_output(at.unary(op, at.input("self", Type::FLOAT32)));
}

void lower_round_decimals(Lowering& at) {
  if (at.output_type() != Type::FLOAT32) return at.set_output(at.input("self"));
  const double factor = std::pow(10.0, at.number("decimals"));
  const TensorId scaled = at.binary(Op::MUL, at.input("self", Type::FLOAT32), number(at, factor));
  at.set_output(at.binary(Op::MUL, at.unary(Op::ROUND, scaled), number(at, 1 / factor)));
}

}  // namespace

void register_unary(Registry& registry) {
  registry.add({"exp.default"}, lower_float<Op::EXP>);
  registry.add({"log.default"}, lower_float<Op::LOG>);
  registry.add({"sqrt.default"}, lower_float<Op::SQRT>);
  registry.add({"rsqrt.default"}, lower_float<Op::RSQRT>);
  registry.add({"sin.default"}, lower_float<Op::SIN>);
  registry.add({"cos.default"}, lower_float<Op::COS>);
  registry.add({"floor.default"}, lower_rounding<Op::FLOOR>);
  registry.add({"ceil.default"}, lower_rounding<Op::CEIL>);
  registry.add({"round.default"}, lower_rounding<Op::ROUND>);
  registry.add({"round.decimals"}, lower_round_decimals);
  registry.add({"trunc.default", "fix.default"}, lower_trunc);
  registry.add({"frac.default"}, lower_frac);
  registry.add({"abs.default"}, lower_same_type<Op::ABS>);
  registry.add({"neg.default"}, lower_same_type<Op::NEG>);
  registry.add({"sign.default", "sgn.default"}, lower_same_type<Op::SIGN>);
  registry.add({"square.default"}, lower_square);
  registry.add({"reciprocal.default"}, lower_reciprocal);
  registry.add({"log1p.default"}, lower_log1p);
  registry.add({"expm1.default"}, lower_expm1);
  registry.add({"log2.default"}, lower_log_base<2>);
  registry.add({"log10.default"}, lower_log_base<10>);
}

}  // namespace tinyml::lowering
