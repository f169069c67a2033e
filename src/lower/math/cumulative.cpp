// Cumulative sums, products and extrema along a dimension; differences of neighbours and what integrates them.
#include <limits>

#include "lower/math/elementwise.h"
#include "lower/registry.h"
#include "lower/shape/slice_axis.h"

namespace tinyml::lowering {
namespace {

TensorId cumulative_sum(Lowering& at, TensorId x, int64_t axis) {
  if (at.rank(x) == 0) return x;
  const TensorId dim = at.constant(std::vector<int32_t>{static_cast<int32_t>(axis)}, {});
  return at.emit(Op::CUMSUM, {x, dim}, at.type(x), at.shape(x), tflite::CumsumOptions{});
}

void lower_cumsum(Lowering& at) {
  const TensorId x = at.input("self", computing_type(at.output_type()));
  at.set_output(cumulative_sum(at, x, at.axis("dim", at.rank(x))));
}

// x moved by `distance` along an axis, filled with `identity`.
TensorId shifted(Lowering& at, TensorId x, int64_t axis, int64_t distance, double identity) {
  Sizes before(at.shape(x).size(), 0);
  const Sizes after = before;
  before[static_cast<size_t>(axis)] = distance;
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  return at.pad(slice_axis(at, x, axis, 0, length - distance), before, after, identity);
}

// An inclusive scan by doubling: after step s every element combines its last 2 ** s predecessors and itself (Hillis
// and Steele, "Data parallel algorithms", 1986).
template <class Combine>
TensorId scan(Lowering& at, TensorId x, int64_t axis, double identity, Combine combine) {
  if (at.rank(x) == 0) return x;
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  for (int64_t distance = 1; distance < length; distance *= 2) {
    x = combine(shifted(at, x, axis, distance, identity), x);
  }
  return x;
}

void lower_cumprod(Lowering& at) {
  const TensorId x = at.input("self", computing_type(at.output_type()));
  at.set_output(scan(at, x, at.axis("dim", at.rank(x)), 1,
                     [&](TensorId before, TensorId own) { return at.binary(Op::MUL, before, own); }));
}

void lower_logcumsumexp(Lowering& at) {
  constexpr double kNothing = -1e30;  // its exponential is zero, and differences with it stay finite
  const TensorId x = at.input("self", Type::FLOAT32);
  at.set_output(scan(at, x, at.axis("dim", at.rank(x)), kNothing,
                     [&](TensorId before, TensorId own) { return log_add_exp(at, before, own); }));
}

// The positions 0, 1, ... of one dimension, in the shape of x.
TensorId positions(Lowering& at, TensorId x, int64_t axis) {
  Sizes shape(at.shape(x).size(), 1);
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  shape[static_cast<size_t>(axis)] = length;
  std::vector<int32_t> values;
  for (int64_t i = 0; i < length; ++i) values.push_back(static_cast<int32_t>(i));
  return at.broadcast_to(at.constant(std::move(values), shape), at.shape(x));
}

// cummax and cummin: {values, indices}; of equal elements the last.
template <Op op, Op keeps_own>
void lower_cumulative_extremum(Lowering& at) {
  const Type type = computing_type(at.output_type(0));
  if (type == Type::BOOL) at.refuse("booleans", "convert them to integers first");
  TensorId x = at.input("self", type);
  if (at.rank(x) == 0) {
    at.set_output(0, x);
    return at.set_output(1, at.scalar(0, Type::INT32));
  }
  const int64_t axis = at.axis("dim", at.rank(x));
  double identity = std::numeric_limits<float>::max();
  if (type == Type::INT32) identity = std::numeric_limits<int32_t>::max();
  if (op == Op::MAXIMUM) identity = type == Type::INT32 ? std::numeric_limits<int32_t>::min() : -identity;
  const bool wants_index = at.wants_output(1);
  TensorId index = wants_index ? positions(at, x, axis) : tflite::kNoTensor;
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  for (int64_t distance = 1; distance < length; distance *= 2) {
    const TensorId before = shifted(at, x, axis, distance, identity);
    if (wants_index) index = at.select(at.compare(keeps_own, x, before), index, shifted(at, index, axis, distance, 0));
    x = at.binary(op, before, x);
  }
  if (at.wants_output(0)) at.set_output(0, x);
  if (wants_index) at.set_output(1, index);
}

// Of each element and the one before it.
TensorId neighbours(Lowering& at, Op op, TensorId x, int64_t axis) {
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  return at.binary(op, slice_axis(at, x, axis, 1, length - 1), slice_axis(at, x, axis, 0, length - 1));
}

void lower_diff(Lowering& at) {
  const bool is_bool = at.output_type() == Type::BOOL;
  const Type type = computing_type(at.output_type());
  TensorId x = at.input("self", type);
  const int64_t axis = at.axis("dim", at.rank(x));
  std::vector<TensorId> parts = {x};
  if (at.has("prepend")) parts.insert(parts.begin(), at.input("prepend", type));
  if (at.has("append")) parts.push_back(at.input("append", type));
  x = at.concatenate(parts, axis);
  for (int64_t n = at.integer("n"); n > 0; --n) {
    if (at.shape(x)[static_cast<size_t>(axis)] < 2) at.refuse("an empty difference");
    if (is_bool) {
      const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
      x = at.compare(Op::NOT_EQUAL, slice_axis(at, x, axis, 1, length - 1), slice_axis(at, x, axis, 0, length - 1));
    } else {
      x = neighbours(at, Op::SUB, x, axis);
    }
  }
  at.set_output(x);
}

// The areas between neighbours: mean height times distance.
TensorId trapezoids(Lowering& at, int64_t axis) {
  const TensorId heights = neighbours(at, Op::ADD, at.input("y", Type::FLOAT32), axis);
  if (!at.node().has_arg("x")) return at.binary(Op::MUL, heights, number(at, at.number("dx") / 2));
  TensorId x = at.input("x", Type::FLOAT32);
  if (at.rank(x) == 1) {
    Sizes shape(at.shape(heights).size(), 1);
    shape[static_cast<size_t>(axis)] = at.shape(x)[0];
    x = at.reshape(x, shape);
  }
  const TensorId widths = neighbours(at, Op::SUB, x, axis);
  return at.binary(Op::MUL, at.binary(Op::MUL, heights, widths), number(at, 0.5));
}

void lower_trapezoid(Lowering& at) {
  const int64_t axis = at.axis("dim", static_cast<int64_t>(at.sizes("y").size()));
  at.set_output(at.reduce(Op::SUM, trapezoids(at, axis), {axis}, false));
}

void lower_cumulative_trapezoid(Lowering& at) {
  const int64_t axis = at.axis("dim", static_cast<int64_t>(at.sizes("y").size()));
  at.set_output(cumulative_sum(at, trapezoids(at, axis), axis));
}

}  // namespace

void register_cumulative(Registry& registry) {
  registry.add({"cumsum.default"}, lower_cumsum);
  registry.add({"cumprod.default"}, lower_cumprod);
  registry.add({"logcumsumexp.default"}, lower_logcumsumexp, "infinite elements give what is not a number");
  registry.add({"cummax.default"}, lower_cumulative_extremum<Op::MAXIMUM, Op::GREATER_EQUAL>, "no booleans");
  registry.add({"cummin.default"}, lower_cumulative_extremum<Op::MINIMUM, Op::LESS_EQUAL>, "no booleans");
  registry.add({"diff.default"}, lower_diff);
  registry.add({"trapezoid.dx", "trapezoid.x"}, lower_trapezoid);
  registry.add({"cumulative_trapezoid.dx", "cumulative_trapezoid.x"}, lower_cumulative_trapezoid);
}

}  // namespace tinyml::lowering
