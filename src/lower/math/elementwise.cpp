#include "lower/math/elementwise.h"

#include <cmath>
#include <numeric>

namespace tinyml::lowering {

Type computing_type(Type type) {
  return type == Type::INT8 || type == Type::UINT8 || type == Type::INT16 ? Type::INT32 : type;
}

const char* first_name(const Lowering& at) { return at.node().has_arg("self") ? "self" : "input"; }

TensorId number(Lowering& at, double value) { return at.scalar(value, Type::FLOAT32); }

TensorId truncate(Lowering& at, TensorId x) {
  return at.binary(Op::MUL, at.unary(Op::SIGN, x), at.unary(Op::FLOOR, at.unary(Op::ABS, x)));
}

// max(a, b) + log(1 + exp(-|a - b|))
TensorId log_add_exp(Lowering& at, TensorId a, TensorId b) {
  const TensorId distance = at.unary(Op::ABS, at.binary(Op::SUB, a, b));
  const TensorId decayed = at.unary(Op::EXP, at.unary(Op::NEG, distance));
  const TensorId rest = at.unary(Op::LOG, at.binary(Op::ADD, decayed, number(at, 1)));
  return at.binary(Op::ADD, at.binary(Op::MAXIMUM, a, b), rest);
}

TensorId power(Lowering& at, TensorId x, double exponent) {
  if (exponent == 1) return x;
  if (exponent == 2) return at.binary(Op::MUL, x, x);
  if (exponent == 3) return at.binary(Op::MUL, at.binary(Op::MUL, x, x), x);
  if (exponent == 4) {
    const TensorId square = at.binary(Op::MUL, x, x);
    return at.binary(Op::MUL, square, square);
  }
  if (exponent == 0.5) return at.unary(Op::SQRT, x);
  if (exponent == -0.5) return at.unary(Op::RSQRT, x);
  if (exponent == -1) return at.binary(Op::DIV, number(at, 1), x);
  return at.binary(Op::POW, x, number(at, exponent));
}

TensorId is_nan(Lowering& at, TensorId x) { return at.compare(Op::NOT_EQUAL, x, x); }

Sizes swap_with_last(int64_t axis, int64_t rank) {
  Sizes order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (rank > 0) std::swap(order[static_cast<size_t>(axis)], order.back());
  return order;
}

}  // namespace tinyml::lowering
