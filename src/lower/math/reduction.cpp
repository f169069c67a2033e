// Reductions over dimensions: mean, sum, prod, max, min, any, all, logsumexp and the positions of extrema.
#include <algorithm>

#include "lower/math/elementwise.h"
#include "lower/math/reduced.h"
#include "lower/registry.h"

namespace tinyml::lowering {

Reduced read_reduction(Lowering& at, Type type) {
  const TensorId x = at.input("self", type);
  const bool keep = at.node().has_arg("keepdim") && at.flag("keepdim");
  Reduced result{x, {}, keep};
  if (at.node().has_arg("dim")) {
    result.axes = at.axes("dim", at.rank(x));
  } else {
    for (int64_t i = 0; i < at.rank(x); ++i) result.axes.push_back(i);
  }
  return result;
}

int64_t Reduced::count(const Lowering& at) const {
  const Sizes shape = at.shape(x);
  int64_t result = 1;
  for (const int64_t axis : axes) result *= shape[static_cast<size_t>(axis)];
  return result;
}

namespace {

template <Op op>
void lower_reduction(Lowering& at) {
  const Reduced from = read_reduction(at, computing_type(at.output_type()));
  at.set_output(at.reduce(op, from.x, from.axes, from.keep_dims));
}

// TFLite has extrema of every type but booleans.
template <Op op>
void lower_amax(Lowering& at) {
  if (at.output_type() == Type::BOOL) {
    const Reduced from = read_reduction(at, Type::BOOL);
    const Op logical = op == Op::REDUCE_MAX ? Op::REDUCE_ANY : Op::REDUCE_ALL;
    return at.set_output(at.reduce(logical, from.x, from.axes, from.keep_dims));
  }
  lower_reduction<op>(at);
}

TensorId position(Lowering& at, Op op, TensorId x, int64_t axis) {
  Sizes shape = at.shape(x);
  shape.erase(shape.begin() + axis);
  tflite::Options options = tflite::ArgMaxOptions{Type::INT32};
  if (op == Op::ARG_MIN) options = tflite::ArgMinOptions{Type::INT32};
  return at.emit(op, {x, at.indices({axis})}, Type::INT32, shape, options);
}

// max.dim and min.dim: {values, indices}.
template <Op op, Op arg>
void lower_extremum(Lowering& at) {
  const TensorId x = at.input("self", computing_type(at.output_type(0)));
  if (at.rank(x) == 0) {
    at.set_output(0, x);
    return at.set_output(1, at.scalar(0, Type::INT32));
  }
  const int64_t axis = at.axis("dim", at.rank(x));
  if (at.wants_output(0)) at.set_output(0, at.reduce(op, x, {axis}, at.flag("keepdim")));
  if (at.wants_output(1)) at.set_output(1, at.reshape(position(at, arg, x, axis), at.output_sizes(1)));
}

// {minimum, maximum}
void lower_aminmax(Lowering& at) {
  const TensorId x = at.input("self", computing_type(at.output_type(0)));
  Sizes axes;
  for (int64_t i = 0; i < at.rank(x); ++i) axes.push_back(i);
  if (at.has("dim") && at.rank(x) > 0) axes = {at.axis("dim", at.rank(x))};
  if (at.wants_output(0)) at.set_output(0, at.reshape(at.reduce(Op::REDUCE_MIN, x, axes, true), at.output_sizes(0)));
  if (at.wants_output(1)) at.set_output(1, at.reshape(at.reduce(Op::REDUCE_MAX, x, axes, true), at.output_sizes(1)));
}

template <Op op>
void lower_arg(Lowering& at) {
  TensorId x = at.input("self");
  x = at.cast(x, at.type(x) == Type::BOOL ? Type::INT32 : computing_type(at.type(x)));
  if (!at.has("dim") || at.rank(x) == 0) {
    int64_t count = 1;
    for (const int64_t size : at.shape(x)) count *= size;
    x = at.reshape(x, {count});
  }
  const int64_t axis = at.has("dim") ? at.axis("dim", at.rank(x)) : 0;
  at.set_output(at.reshape(position(at, op, x, axis), at.output_sizes()));
}

// max + log(sum(exp(x - max)))
void lower_logsumexp(Lowering& at) {
  const Reduced from = read_reduction(at, Type::FLOAT32);
  const TensorId peak = at.reduce(Op::REDUCE_MAX, from.x, from.axes, true);
  const TensorId sum = at.reduce(Op::SUM, at.unary(Op::EXP, at.binary(Op::SUB, from.x, peak)), from.axes, true);
  at.set_output(at.reshape(at.binary(Op::ADD, at.unary(Op::LOG, sum), peak), at.output_sizes()));
}

template <Op op>
void lower_logical_reduction(Lowering& at) {
  const Reduced from = read_reduction(at, Type::BOOL);
  at.set_output(at.reduce(op, from.x, from.axes, from.keep_dims));
}

void lower_count_nonzero(Lowering& at) {
  const TensorId self = at.input("self");
  const Reduced from = read_reduction(at, at.type(self));
  const TensorId nonzero = at.cast(at.cast(from.x, Type::BOOL), Type::INT32);
  at.set_output(at.reduce(Op::SUM, nonzero, from.axes, false));
}

void lower_nansum(Lowering& at) {
  const Reduced from = read_reduction(at, Type::FLOAT32);
  const TensorId numbers = at.select(is_nan(at, from.x), number(at, 0), from.x);
  at.set_output(at.reduce(Op::SUM, numbers, from.axes, from.keep_dims));
}

void lower_nanmean(Lowering& at) {
  const Reduced from = read_reduction(at, Type::FLOAT32);
  const TensorId missing = is_nan(at, from.x);
  const auto sum = [&](TensorId x) { return at.reduce(Op::SUM, x, from.axes, from.keep_dims); };
  const TensorId count = sum(at.cast(at.unary(Op::LOGICAL_NOT, missing), Type::FLOAT32));
  at.set_output(at.binary(Op::DIV, sum(at.select(missing, number(at, 0), from.x)), count));
}

// Sums of products along a dimension.
void lower_vecdot(Lowering& at) {
  const TensorId product = at.binary(Op::MUL, at.input("x", Type::FLOAT32), at.input("y", Type::FLOAT32));
  at.set_output(at.reduce(Op::SUM, product, {at.axis("dim", at.rank(product))}, false));
}

}  // namespace

void register_reduction(Registry& registry) {
  registry.add({"mean.default", "mean.dim"}, lower_reduction<Op::MEAN>);
  registry.add({"sum.default", "sum.dim_IntList"}, lower_reduction<Op::SUM>);
  registry.add({"nansum.default"}, lower_nansum);
  registry.add({"nanmean.default"}, lower_nanmean);
  registry.add({"linalg_vecdot.default"}, lower_vecdot);
  registry.add({"amax.default", "max.default"}, lower_amax<Op::REDUCE_MAX>);
  registry.add({"amin.default", "min.default"}, lower_amax<Op::REDUCE_MIN>);
  registry.add({"prod.default", "prod.dim_int"}, lower_reduction<Op::REDUCE_PROD>);
  registry.add({"max.dim"}, lower_extremum<Op::REDUCE_MAX, Op::ARG_MAX>);
  registry.add({"min.dim"}, lower_extremum<Op::REDUCE_MIN, Op::ARG_MIN>);
  registry.add({"aminmax.default"}, lower_aminmax);
  registry.add({"argmax.default"}, lower_arg<Op::ARG_MAX>);
  registry.add({"argmin.default"}, lower_arg<Op::ARG_MIN>);
  registry.add({"logsumexp.default"}, lower_logsumexp);
  registry.add({"any.default", "any.dim", "any.dims"}, lower_logical_reduction<Op::REDUCE_ANY>);
  registry.add({"all.default", "all.dim", "all.dims"}, lower_logical_reduction<Op::REDUCE_ALL>);
  registry.add({"count_nonzero.default", "count_nonzero.dim_IntList"}, lower_count_nonzero);
}

}  // namespace tinyml::lowering
