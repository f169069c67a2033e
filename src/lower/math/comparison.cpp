// Comparisons, where and masked_fill.
#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

bool is_float_argument(const Lowering& at, std::string_view name) {
  const Argument& argument = at.node().arg(name);
  if (argument.is_double()) return true;
  return argument.is_value() && is_floating_point(at.graph().tensor_type(argument.as_value()).type);
}

// The type two operands are compared in.
Type common_type(const Lowering& at) {
  if (is_float_argument(at, "self") || is_float_argument(at, "other")) return Type::FLOAT32;
  const Argument& other = at.node().arg("other");
  const Type self = tflite_type(at.graph().tensor_type(at.node().arg("self").as_value()).type);
  if (!other.is_value()) return self == Type::BOOL && !other.is_bool() ? Type::INT32 : computing_type(self);
  const Type second = tflite_type(at.graph().tensor_type(other.as_value()).type);
  return self == second ? computing_type(self) : Type::INT32;
}

template <Op op>
void lower_comparison(Lowering& at) {
  Type type = common_type(at);
  if (type == Type::BOOL && op != Op::EQUAL && op != Op::NOT_EQUAL) type = Type::INT32;
  at.set_output(at.compare(op, at.input("self", type), at.input("other", type)));
}

void lower_where(Lowering& at) {
  const Type type = at.output_type();
  const TensorId condition = at.input("condition", Type::BOOL);
  at.set_output(at.select(condition, at.input("self", type), at.input("other", type)));
}

void lower_masked_fill(Lowering& at) {
  const Type type = at.output_type();
  at.set_output(at.select(at.input("mask", Type::BOOL), at.input("value", type), at.input("self", type)));
}

void lower_threshold(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId x = at.input("self", type);
  const TensorId above = at.compare(Op::GREATER, x, at.input("threshold", type));
  at.set_output(at.select(above, x, at.input("value", type)));
}

// Zero within lambda of zero.
void lower_hardshrink(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const TensorId beyond = at.compare(Op::GREATER, at.unary(Op::ABS, x), number(at, at.number("lambd")));
  at.set_output(at.select(beyond, x, number(at, 0)));
}

// x minus itself cut to [-lambda, lambda].
void lower_softshrink(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const double lambda = at.number("lambd");
  const TensorId cut = at.binary(Op::MINIMUM, at.binary(Op::MAXIMUM, x, number(at, -lambda)), number(at, lambda));
  at.set_output(at.binary(Op::SUB, x, cut));
}

// Whether each element is one of a list.
void lower_isin(Lowering& at) {
  if (at.node().arg("elements").is_number()) at.refuse("a single number to look up", "compare the list with it");
  const TensorId x = at.input("elements");
  const Type type = at.type(x) == Type::FLOAT32 ? Type::FLOAT32 : Type::INT32;
  Sizes column = at.shape(x);
  column.push_back(1);
  int64_t count = 1;
  TensorId list = at.input("test_elements", type);
  for (const int64_t size : at.shape(list)) count *= size;
  list = at.reshape(list, {count});
  const TensorId equal = at.compare(Op::EQUAL, at.reshape(at.cast(x, type), column), list);
  TensorId found = at.reduce(Op::REDUCE_ANY, equal, {static_cast<int64_t>(column.size()) - 1}, false);
  if (at.flag("invert")) found = at.unary(Op::LOGICAL_NOT, found);
  at.set_output(found);
}

}  // namespace

void register_comparison(Registry& registry) {
  registry.add({"eq.Tensor", "eq.Scalar"}, lower_comparison<Op::EQUAL>);
  registry.add({"ne.Tensor", "ne.Scalar"}, lower_comparison<Op::NOT_EQUAL>);
  registry.add({"lt.Tensor", "lt.Scalar"}, lower_comparison<Op::LESS>);
  registry.add({"le.Tensor", "le.Scalar"}, lower_comparison<Op::LESS_EQUAL>);
  registry.add({"gt.Tensor", "gt.Scalar"}, lower_comparison<Op::GREATER>);
  registry.add({"ge.Tensor", "ge.Scalar"}, lower_comparison<Op::GREATER_EQUAL>);
  registry.add({"where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar"}, lower_where);
  registry.add({"masked_fill.Scalar", "masked_fill.Tensor"}, lower_masked_fill);
  registry.add({"threshold.default"}, lower_threshold);
  registry.add({"hardshrink.default"}, lower_hardshrink);
  registry.add({"softshrink.default"}, lower_softshrink);
  registry.add({"isin.Tensor_Tensor"}, lower_isin);
}

}  // namespace tinyml::lowering
