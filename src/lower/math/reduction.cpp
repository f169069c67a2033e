// Reductions over dimensions: mean, sum, max, min, var, norms, arg max, top-k, cumulative sums.
#include <algorithm>
#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

struct Reduced {
  TensorId x;
  Sizes axes;
  bool keep_dims;
};

Reduced read_reduction(Lowering& at, Type type) {
  const TensorId x = at.input("self", type);
  const bool some = at.node().has_arg("dim");
  const bool keep = at.node().has_arg("keepdim") && at.flag("keepdim");
  Reduced result{x, {}, keep};
  if (some) {
    result.axes = at.axes("dim", at.rank(x));
  } else {
    for (int64_t i = 0; i < at.rank(x); ++i) result.axes.push_back(i);
  }
  return result;
}

template <Op op>
void lower_reduction(Lowering& at) {
  const Reduced from = read_reduction(at, at.output_type());
  at.set_output(at.reduce(op, from.x, from.axes, from.keep_dims));
}

// max.dim and min.dim: {values, indices}.
template <Op op, Op arg>
void lower_extremum(Lowering& at) {
  const TensorId x = at.input("self", at.output_type(0));
  const Sizes axes = at.rank(x) == 0 ? Sizes{} : Sizes{at.axis("dim", at.rank(x))};
  const bool keep = at.flag("keepdim");
  if (at.wants_output(0)) at.set_output(0, at.reduce(op, x, axes, keep));
  if (!at.wants_output(1)) return;
  if (axes.empty()) at.refuse("the index of the extremum of a single number");
  Sizes shape = at.shape(x);
  shape.erase(shape.begin() + axes[0]);
  tflite::Options options = tflite::ArgMaxOptions{Type::INT32};
  if (arg == Op::ARG_MIN) options = tflite::ArgMinOptions{Type::INT32};
  const TensorId index = at.emit(arg, {x, at.indices(axes)}, Type::INT32, shape, options);
  at.set_output(1, at.reshape(index, at.output_sizes(1)));
}

template <Op op>
void lower_arg(Lowering& at) {
  TensorId x = at.input("self");
  if (at.type(x) == Type::BOOL) x = at.cast(x, Type::INT32);
  int64_t axis = 0;
  if (at.has("dim")) {
    axis = at.axis("dim", at.rank(x));
  } else {
    int64_t count = 1;
    for (const int64_t size : at.shape(x)) count *= size;
    x = at.reshape(x, {count});
  }
  Sizes shape = at.shape(x);
  shape.erase(shape.begin() + axis);
  tflite::Options options = tflite::ArgMaxOptions{Type::INT32};
  if (op == Op::ARG_MIN) options = tflite::ArgMinOptions{Type::INT32};
  const TensorId index = at.emit(op, {x, at.indices({axis})}, Type::INT32, shape, options);
  at.set_output(at.reshape(index, at.output_sizes()));
}

// Sum of squared differences from the mean, divided by count - correction.
TensorId variance(Lowering& at, const Reduced& from) {
  double count = 1;
  for (const int64_t axis : from.axes) count *= static_cast<double>(at.shape(from.x)[static_cast<size_t>(axis)]);
  double correction = 1;
  if (at.node().has_arg("correction")) {
    correction = at.has("correction") ? at.number("correction") : 1;
  } else if (at.node().has_arg("unbiased")) {
    correction = at.flag("unbiased") ? 1 : 0;
  }
  if (correction >= count) at.refuse("the variance of no more elements than its correction is not a number");
  const TensorId centered = at.binary(Op::SUB, from.x, at.reduce(Op::MEAN, from.x, from.axes, true));
  TensorId result = at.reduce(Op::MEAN, at.binary(Op::MUL, centered, centered), from.axes, from.keep_dims);
  if (correction != 0) result = at.binary(Op::MUL, result, at.scalar(count / (count - correction), Type::FLOAT32));
  return result;
}

void lower_var(Lowering& at) { at.set_output(variance(at, read_reduction(at, Type::FLOAT32))); }

void lower_std(Lowering& at) { at.set_output(at.unary(Op::SQRT, variance(at, read_reduction(at, Type::FLOAT32)))); }

void lower_vector_norm(Lowering& at) {
  const Reduced from = read_reduction(at, Type::FLOAT32);
  const char* name = at.node().has_arg("ord") ? "ord" : "p";
  const double order = at.has(name) ? at.number(name) : 2;
  if (order == 2) {
    const TensorId sum = at.reduce(Op::SUM, at.binary(Op::MUL, from.x, from.x), from.axes, from.keep_dims);
    return at.set_output(at.unary(Op::SQRT, sum));
  }
  const TensorId magnitude = at.unary(Op::ABS, from.x);
  if (order == 1) return at.set_output(at.reduce(Op::SUM, magnitude, from.axes, from.keep_dims));
  if (std::isinf(order)) {
    const Op op = order > 0 ? Op::REDUCE_MAX : Op::REDUCE_MIN;
    return at.set_output(at.reduce(op, magnitude, from.axes, from.keep_dims));
  }
  if (order <= 0) at.refuse("a norm of that order", "use order 1, 2, infinity or another positive one");
  const TensorId powers = at.binary(Op::POW, magnitude, at.scalar(order, Type::FLOAT32));
  const TensorId sum = at.reduce(Op::SUM, powers, from.axes, from.keep_dims);
  at.set_output(at.binary(Op::POW, sum, at.scalar(1 / order, Type::FLOAT32)));
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

void lower_cumsum(Lowering& at) {
  const TensorId x = at.input("self", at.output_type());
  const TensorId axis = at.constant(std::vector<int32_t>{static_cast<int32_t>(at.axis("dim", at.rank(x)))}, {});
  at.set_output(at.emit(Op::CUMSUM, {x, axis}, at.type(x), at.shape(x), tflite::CumsumOptions{}));
}

void lower_topk(Lowering& at) {
  TensorId x = at.input("self");
  const int64_t rank = at.rank(x);
  const int64_t axis = at.axis("dim", rank);
  if (!at.flag("largest"))
    at.refuse("the smallest elements; TFLite finds the largest", "negate the input and the values");
  Sizes order;
  for (int64_t i = 0; i < rank; ++i) order.push_back(i);
  std::swap(order[static_cast<size_t>(axis)], order.back());
  x = at.transpose(x, order);
  Sizes shape = at.shape(x);
  shape.back() = at.integer("k");
  const TensorId count = at.constant(std::vector<int32_t>{static_cast<int32_t>(shape.back())}, {});
  const std::vector<TensorId> found = at.topk(x, count, shape);
  at.set_output(0, at.transpose(found[0], order));
  at.set_output(1, at.transpose(found[1], order));
}

}  // namespace

void register_reduction(Registry& registry) {
  registry.add({"mean.default", "mean.dim"}, lower_reduction<Op::MEAN>);
  registry.add({"sum.default", "sum.dim_IntList"}, lower_reduction<Op::SUM>);
  registry.add({"amax.default", "max.default"}, lower_reduction<Op::REDUCE_MAX>);
  registry.add({"amin.default", "min.default"}, lower_reduction<Op::REDUCE_MIN>);
  registry.add({"prod.default", "prod.dim_int"}, lower_reduction<Op::REDUCE_PROD>);
  registry.add({"max.dim"}, lower_extremum<Op::REDUCE_MAX, Op::ARG_MAX>);
  registry.add({"min.dim"}, lower_extremum<Op::REDUCE_MIN, Op::ARG_MIN>);
  registry.add({"argmax.default"}, lower_arg<Op::ARG_MAX>);
  registry.add({"argmin.default"}, lower_arg<Op::ARG_MIN>);
  registry.add({"var.default", "var.dim", "var.correction"}, lower_var);
  registry.add({"std.default", "std.dim", "std.correction"}, lower_std);
  registry.add({"linalg_vector_norm.default", "norm.Scalar", "norm.ScalarOpt_dim"}, lower_vector_norm);
  registry.add({"logsumexp.default"}, lower_logsumexp);
  registry.add({"any.default", "any.dim", "any.dims"}, lower_logical_reduction<Op::REDUCE_ANY>);
  registry.add({"all.default", "all.dim", "all.dims"}, lower_logical_reduction<Op::REDUCE_ALL>);
  registry.add({"cumsum.default"}, lower_cumsum);
  registry.add({"topk.default"}, lower_topk);
}

}  // namespace tinyml::lowering
