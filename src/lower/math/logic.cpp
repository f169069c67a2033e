// Logic of booleans, bits of integers, shifts. TFLite has XOR and right shifts of integers; the other bit operators
// are arithmetic on top of them.
#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

void lower_logical_not(Lowering& at) { at.set_output(at.unary(Op::LOGICAL_NOT, at.input("self", Type::BOOL))); }

template <Op op>
void lower_logical(Lowering& at) {
  at.set_output(at.binary(op, at.input("self", Type::BOOL), at.input("other", Type::BOOL)));
}

void lower_logical_xor(Lowering& at) {
  at.set_output(at.compare(Op::NOT_EQUAL, at.input("self", Type::BOOL), at.input("other", Type::BOOL)));
}

void lower_bitwise_not(Lowering& at) {
  if (at.output_type() == Type::BOOL) return lower_logical_not(at);
  at.set_output(at.binary(Op::SUB, at.scalar(-1, Type::INT32), at.input("self", Type::INT32)));
}

TensorId integer(Lowering& at, double value) { return at.scalar(value, Type::INT32); }

TensorId shift_right(Lowering& at, TensorId x, TensorId count) { return at.binary(Op::RIGHT_SHIFT, x, count); }

// a & b without overflow: both without their lowest bit as (a + b - (a ^ b)) / 2 of the halves, and that bit.
TensorId bit_and(Lowering& at, TensorId a, TensorId b) {
  const TensorId half_a = shift_right(at, a, integer(at, 1));
  const TensorId half_b = shift_right(at, b, integer(at, 1));
  const TensorId sum = at.binary(Op::ADD, half_a, half_b);
  const TensorId twice = at.binary(Op::SUB, sum, at.binary(Op::BITWISE_XOR, half_a, half_b));
  const TensorId low_a = at.binary(Op::FLOOR_MOD, a, integer(at, 2));
  const TensorId low_b = at.binary(Op::FLOOR_MOD, b, integer(at, 2));
  return at.binary(Op::ADD, twice, at.binary(Op::MUL, low_a, low_b));
}

// Whether the argument is a number of the form 2 ** n - 1.
bool is_low_mask(const Lowering& at, std::string_view name) {
  const Argument& argument = at.node().arg(name);
  if (!argument.is_int()) return false;
  const int64_t value = argument.as_int();
  return value > 0 && value < INT32_MAX && (value & (value + 1)) == 0;
}

enum class Bits { kAnd, kOr, kXor };

template <Bits bits>
void lower_bitwise(Lowering& at) {
  if (at.output_type() == Type::BOOL) {
    if (bits == Bits::kXor) return lower_logical_xor(at);
    return bits == Bits::kAnd ? lower_logical<Op::LOGICAL_AND>(at) : lower_logical<Op::LOGICAL_OR>(at);
  }
  const TensorId a = at.input("self", Type::INT32);
  if (bits == Bits::kAnd && is_low_mask(at, "other")) {
    return at.set_output(at.binary(Op::FLOOR_MOD, a, integer(at, at.number("other") + 1)));
  }
  TensorId b = at.input("other", Type::INT32);
  const TensorId a_xor_b = bits == Bits::kAnd ? a : at.binary(Op::BITWISE_XOR, a, b);
  if (bits == Bits::kXor) return at.set_output(a_xor_b);
  const TensorId a_and_b = bit_and(at, a, b);
  at.set_output(bits == Bits::kAnd ? a_and_b : at.binary(Op::ADD, a_xor_b, a_and_b));
}

void lower_shift_left(Lowering& at) {  // a multiplication by a power of two
  const TensorId x = at.input("self", Type::INT32);
  if (at.node().arg("other").is_number()) {
    const double count = at.number("other");
    if (count < 0 || count > 30) at.refuse("a shift by fewer than 0 or more than 30 bits");
    return at.set_output(at.binary(Op::MUL, x, integer(at, static_cast<double>(1 << static_cast<int>(count)))));
  }
  const TensorId factor = at.binary(Op::POW, integer(at, 2), at.input("other", Type::INT32));
  at.set_output(at.binary(Op::MUL, x, factor));
}

void lower_shift_right(Lowering& at) {
  at.set_output(shift_right(at, at.input("self", Type::INT32), at.input("other", Type::INT32)));
}

}  // namespace

void register_logic(Registry& registry) {
  registry.add({"logical_not.default"}, lower_logical_not);
  registry.add({"logical_and.default"}, lower_logical<Op::LOGICAL_AND>);
  registry.add({"logical_or.default"}, lower_logical<Op::LOGICAL_OR>);
  registry.add({"logical_xor.default"}, lower_logical_xor);
  registry.add({"bitwise_not.default"}, lower_bitwise_not);
  registry.add({"bitwise_and.Tensor", "bitwise_and.Scalar", "__and__.Tensor", "__and__.Scalar"},
               lower_bitwise<Bits::kAnd>);
  registry.add({"bitwise_or.Tensor", "bitwise_or.Scalar", "__or__.Tensor", "__or__.Scalar"}, lower_bitwise<Bits::kOr>);
  registry.add({"bitwise_xor.Tensor", "bitwise_xor.Scalar", "__xor__.Tensor", "__xor__.Scalar"},
               lower_bitwise<Bits::kXor>);
  registry.add(
      {"bitwise_left_shift.Tensor", "bitwise_left_shift.Tensor_Scalar", "__lshift__.Tensor", "__lshift__.Scalar"},
      lower_shift_left, "by 0 to 30 bits: TFLite multiplies");
  registry.add(
      {"bitwise_right_shift.Tensor", "bitwise_right_shift.Tensor_Scalar", "__rshift__.Tensor", "__rshift__.Scalar"},
      lower_shift_right);
}

}  // namespace tinyml::lowering
