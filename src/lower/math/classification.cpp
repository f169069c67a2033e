// Tests for infinities and what is not a number, and their replacement.
#include <limits>

#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<float>::max();

bool has_float_input(const Lowering& at) {
  return is_floating_point(at.graph().tensor_type(at.node().arg("self").as_value()).type);
}

// Every integer is finite.
void set_all(Lowering& at, bool value) {
  at.set_output(at.broadcast_to(at.scalar(value ? 1 : 0, Type::BOOL), at.output_sizes()));
}

void lower_isnan(Lowering& at) {
  if (!has_float_input(at)) return set_all(at, false);
  at.set_output(is_nan(at, at.input("self", Type::FLOAT32)));
}

void lower_isinf(Lowering& at) {
  if (!has_float_input(at)) return set_all(at, false);
  const TensorId size = at.unary(Op::ABS, at.input("self", Type::FLOAT32));
  at.set_output(at.compare(Op::EQUAL, size, number(at, kInfinity)));
}

void lower_isfinite(Lowering& at) {
  if (!has_float_input(at)) return set_all(at, true);
  const TensorId size = at.unary(Op::ABS, at.input("self", Type::FLOAT32));
  at.set_output(at.compare(Op::LESS, size, number(at, kInfinity)));
}

template <int sign>
void lower_isinf_signed(Lowering& at) {
  if (!has_float_input(at)) return set_all(at, false);
  at.set_output(at.compare(Op::EQUAL, at.input("self", Type::FLOAT32), number(at, sign * kInfinity)));
}

void lower_nan_to_num(Lowering& at) {
  if (!has_float_input(at)) return at.set_output(at.input("self"));
  TensorId x = at.input("self", Type::FLOAT32);
  x = at.select(is_nan(at, x), number(at, at.has("nan") ? at.number("nan") : 0), x);
  if (at.has("posinf")) {
    x = at.select(at.compare(Op::EQUAL, x, number(at, kInfinity)), number(at, at.number("posinf")), x);
  } else {
    x = at.binary(Op::MINIMUM, x, number(at, kLargest));
  }
  if (at.has("neginf")) {
    x = at.select(at.compare(Op::EQUAL, x, number(at, -kInfinity)), number(at, at.number("neginf")), x);
  } else {
    x = at.binary(Op::MAXIMUM, x, number(at, -kLargest));
  }
  at.set_output(x);
}

// a == b or |a - b| <= atol + rtol * |b|
void lower_isclose(Lowering& at) {
  const TensorId a = at.input("self", Type::FLOAT32);
  const TensorId b = at.input("other", Type::FLOAT32);
  const TensorId distance = at.unary(Op::ABS, at.binary(Op::SUB, a, b));
  const TensorId scaled = at.binary(Op::MUL, at.unary(Op::ABS, b), number(at, at.number("rtol")));
  const TensorId allowed = at.binary(Op::ADD, scaled, number(at, at.number("atol")));
  TensorId close = at.compare(Op::LESS_EQUAL, distance, allowed);
  close = at.binary(Op::LOGICAL_OR, close, at.compare(Op::EQUAL, a, b));
  if (at.flag("equal_nan")) {
    close = at.binary(Op::LOGICAL_OR, close, at.binary(Op::LOGICAL_AND, is_nan(at, a), is_nan(at, b)));
  }
  at.set_output(close);
}

void lower_signbit(Lowering& at) {
  const Type type = computing_type(at.type(at.input("self")));
  at.set_output(at.compare(Op::LESS, at.input("self", type), at.scalar(0, type)));
}

}  // namespace

void register_classification(Registry& registry) {
  registry.add({"isnan.default"}, lower_isnan);
  registry.add({"isinf.default"}, lower_isinf);
  registry.add({"isfinite.default"}, lower_isfinite);
  registry.add({"isposinf.default"}, lower_isinf_signed<1>);
  registry.add({"isneginf.default"}, lower_isinf_signed<-1>);
  registry.add({"nan_to_num.default"}, lower_nan_to_num);
  registry.add({"isclose.default"}, lower_isclose);
  registry.add({"signbit.default"}, lower_signbit, "-0.0 counts as positive");
}

}  // namespace tinyml::lowering
