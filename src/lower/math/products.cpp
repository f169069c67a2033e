// Products of vectors and matrices beyond matmul.
#include <algorithm>

#include "lower/math/elementwise.h"
#include "lower/math/matmul.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

TensorId float_input(Lowering& at, const char* name) { return at.input(name, Type::FLOAT32); }

int64_t product_of(const Sizes& sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes) product *= size;
  return product;
}

void lower_dot(Lowering& at) {
  const TensorId other = float_input(at, at.node().has_arg("tensor") ? "tensor" : "other");
  const TensorId products = at.binary(Op::MUL, float_input(at, "self"), other);
  at.set_output(at.reduce(Op::SUM, products, {0}, false));
}

// Sums over the last dimension of both.
void lower_inner(Lowering& at) {
  const TensorId a = float_input(at, "self");
  const TensorId b = float_input(at, "other");
  if (at.rank(a) == 0 || at.rank(b) == 0) return at.set_output(at.binary(Op::MUL, a, b));
  const int64_t depth = at.shape(a).back();
  const TensorId rows = at.reshape(b, {product_of(at.shape(b)) / depth, depth});
  const TensorId flat = at.reshape(a, {product_of(at.shape(a)) / depth, depth});
  at.set_output(at.reshape(matmul(at, flat, at.transpose(rows, {1, 0})), at.output_sizes()));
}

TensorId outer(Lowering& at, TensorId a, TensorId b) {
  return at.binary(Op::MUL, at.reshape(a, {at.shape(a)[0], 1}), at.reshape(b, {1, at.shape(b)[0]}));
}

void lower_outer(Lowering& at) {
  const Type type = computing_type(at.output_type());
  at.set_output(outer(at, at.input("self", type), at.input("vec2", type)));
}

// beta * self + alpha * product
void set_sum(Lowering& at, TensorId product) {
  const double alpha = at.number("alpha");
  const double beta = at.number("beta");
  if (alpha != 1) product = at.binary(Op::MUL, product, number(at, alpha));
  if (beta != 0) {
    TensorId added = float_input(at, "self");
    if (beta != 1) added = at.binary(Op::MUL, added, number(at, beta));
    product = at.binary(Op::ADD, product, added);
  }
  at.set_output(product);
}

void lower_addmv(Lowering& at) { set_sum(at, matmul(at, float_input(at, "mat"), float_input(at, "vec"))); }
void lower_addr(Lowering& at) { set_sum(at, outer(at, float_input(at, "vec1"), float_input(at, "vec2"))); }

void lower_baddbmm(Lowering& at) { set_sum(at, matmul(at, float_input(at, "batch1"), float_input(at, "batch2"))); }

// The sum over the batch is one product of matrices [n, batch * k] and [batch * k, m].
void lower_addbmm(Lowering& at) {
  const TensorId a = at.transpose(float_input(at, "batch1"), {1, 0, 2});
  const TensorId b = float_input(at, "batch2");
  const Sizes left = at.shape(a);
  const TensorId rows = at.reshape(a, {left[0], left[1] * left[2]});
  set_sum(at, matmul(at, rows, at.reshape(b, {left[1] * left[2], at.shape(b)[2]})));
}

void lower_multi_dot(Lowering& at) {
  const std::vector<TensorId> factors = at.inputs("tensors");
  TensorId product = at.cast(factors[0], Type::FLOAT32);
  for (size_t i = 1; i < factors.size(); ++i) product = matmul(at, product, at.cast(factors[i], Type::FLOAT32));
  at.set_output(at.reshape(product, at.output_sizes()));
}

// By repeated squaring.
void lower_matrix_power(Lowering& at) {
  int64_t n = at.integer(at.node().has_arg("n") ? "n" : "power");
  if (n < 1) at.refuse("a power below one, which needs an inverse", "use a positive power");
  TensorId square = float_input(at, "self");
  TensorId result = tflite::kNoTensor;
  while (true) {
    if (n % 2 == 1) result = result == tflite::kNoTensor ? square : matmul(at, result, square);
    n /= 2;
    if (n == 0) break;
    square = matmul(at, square, square);
  }
  at.set_output(result);
}

// Every dimension of a as an outer, of b as an inner one.
void lower_kron(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId a = at.input("self", type);
  const TensorId b = at.input("other", type);
  Sizes outer_shape;
  Sizes inner_shape;
  const size_t rank = at.output_sizes().size();
  Sizes left = at.shape(a);
  Sizes right = at.shape(b);
  left.insert(left.begin(), rank - left.size(), 1);
  right.insert(right.begin(), rank - right.size(), 1);
  for (size_t i = 0; i < rank; ++i) {
    outer_shape.insert(outer_shape.end(), {left[i], 1});
    inner_shape.insert(inner_shape.end(), {1, right[i]});
  }
  const TensorId product = at.binary(Op::MUL, at.reshape(a, outer_shape), at.reshape(b, inner_shape));
  at.set_output(at.reshape(product, at.output_sizes()));
}

// Matrix [free axes, summed axes], or [summed axes, free axes].
TensorId as_matrix(Lowering& at, TensorId x, Sizes summed, bool summed_first) {
  Sizes free;
  const Sizes shape = at.shape(x);
  for (int64_t& axis : summed) axis = axis < 0 ? axis + at.rank(x) : axis;
  int64_t depth = 1;
  for (const int64_t axis : summed) depth *= shape[static_cast<size_t>(axis)];
  for (int64_t axis = 0; axis < at.rank(x); ++axis) {
    if (std::find(summed.begin(), summed.end(), axis) == summed.end()) free.push_back(axis);
  }
  Sizes order = summed_first ? summed : free;
  order.insert(order.end(), (summed_first ? free : summed).begin(), (summed_first ? free : summed).end());
  const int64_t rest = product_of(shape) / depth;
  return at.reshape(at.transpose(x, order), summed_first ? Sizes{depth, rest} : Sizes{rest, depth});
}

void lower_tensordot(Lowering& at) {
  const TensorId a = as_matrix(at, float_input(at, "self"), at.integers("dims_self"), false);
  const TensorId b = as_matrix(at, float_input(at, "other"), at.integers("dims_other"), true);
  at.set_output(at.reshape(matmul(at, a, b), at.output_sizes()));
}

// a[1] * b[2] - a[2] * b[1], and so on around.
void lower_cross(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const Sizes out = at.output_sizes();
  const auto rank = static_cast<int64_t>(out.size());
  int64_t axis = 0;
  if (at.has("dim")) {
    axis = at.axis("dim", rank);
  } else {
    while (out[static_cast<size_t>(axis)] != 3) ++axis;
  }
  const TensorId a = at.broadcast_to(at.input("self", type), out);
  const TensorId b = at.broadcast_to(at.input("other", type), out);
  const Sizes next = {1, 2, 0};
  const Sizes after = {2, 0, 1};
  const TensorId left = at.binary(Op::MUL, at.gather(a, next, axis), at.gather(b, after, axis));
  const TensorId right = at.binary(Op::MUL, at.gather(a, after, axis), at.gather(b, next, axis));
  at.set_output(at.binary(Op::SUB, left, right));
}

// The powers 0, 1, ... of every element, along a new last dimension.
void lower_vander(Lowering& at) {
  const Type type = computing_type(at.output_type());
  const TensorId x = at.input("x", type);
  Sizes shape = at.output_sizes();
  const int64_t count = shape.back();
  shape.back() = 1;
  const TensorId column = at.reshape(x, shape);
  std::vector<TensorId> powers = {at.broadcast_to(at.scalar(1, type), shape)};
  for (int64_t i = 1; i < count; ++i) powers.push_back(i == 1 ? column : at.binary(Op::MUL, powers.back(), column));
  at.set_output(at.concatenate(powers, static_cast<int64_t>(shape.size()) - 1));
}

}  // namespace

void register_products(Registry& registry) {
  registry.add({"dot.default", "vdot.default"}, lower_dot);
  registry.add({"inner.default"}, lower_inner);
  registry.add({"outer.default", "ger.default"}, lower_outer);
  registry.add({"addmv.default"}, lower_addmv);
  registry.add({"addr.default"}, lower_addr);
  registry.add({"baddbmm.default"}, lower_baddbmm);
  registry.add({"addbmm.default"}, lower_addbmm);
  registry.add({"linalg_multi_dot.default", "chain_matmul.default"}, lower_multi_dot);
  registry.add({"linalg_matrix_power.default", "matrix_power.default"}, lower_matrix_power, "positive powers");
  registry.add({"kron.default"}, lower_kron, "up to three dimensions: the product has twice as many");
  registry.add({"tensordot.default"}, lower_tensordot);
  registry.add({"cross.default", "linalg_cross.default"}, lower_cross);
  registry.add({"linalg_vander.default"}, lower_vander);
}

}  // namespace tinyml::lowering
