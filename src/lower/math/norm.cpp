// Norms of vectors and matrices, and renorm.
#include <cmath>

#include "lower/math/elementwise.h"
#include "lower/math/reduced.h"
#include "lower/registry.h"

namespace tinyml::lowering {

TensorId vector_norm(Lowering& at, const Reduced& from, double order) {
  const auto sum = [&](TensorId x) { return at.reduce(Op::SUM, x, from.axes, from.keep_dims); };
  if (order == 2) return at.unary(Op::SQRT, sum(at.binary(Op::MUL, from.x, from.x)));
  if (order == 0) return sum(at.cast(at.compare(Op::NOT_EQUAL, from.x, number(at, 0)), Type::FLOAT32));
  const TensorId size = at.unary(Op::ABS, from.x);
  if (order == 1) return sum(size);
  if (std::isinf(order)) {
    return at.reduce(order > 0 ? Op::REDUCE_MAX : Op::REDUCE_MIN, size, from.axes, from.keep_dims);
  }
  return power(at, sum(power(at, size, order)), 1 / order);
}

namespace {

void lower_vector_norm(Lowering& at) {
  const char* name = at.node().has_arg("ord") ? "ord" : "p";
  const double order = at.node().has_arg(name) && at.has(name) ? at.number(name) : 2;
  at.set_output(vector_norm(at, read_reduction(at, Type::FLOAT32), order));
}

// The largest or smallest sum of magnitudes along one dimension.
TensorId largest_sum(Lowering& at, TensorId x, int64_t summed, int64_t other, bool is_largest, bool keep) {
  const TensorId sums = at.reduce(Op::SUM, at.unary(Op::ABS, x), {summed}, true);
  const TensorId found = at.reduce(is_largest ? Op::REDUCE_MAX : Op::REDUCE_MIN, sums, {other}, true);
  return keep ? found : at.reshape(found, at.output_sizes());
}

void matrix_norm(Lowering& at, TensorId x, const Sizes& dims, double order, bool keep) {
  if (order != 1 && order != -1 && !std::isinf(order)) {
    at.refuse("a norm from singular values, which TFLite cannot compute", "use the Frobenius norm, or order 1 or inf");
  }
  const bool by_columns = std::abs(order) == 1;
  at.set_output(largest_sum(at, x, by_columns ? dims[0] : dims[1], by_columns ? dims[1] : dims[0], order > 0, keep));
}

Sizes read_dims(const Lowering& at, TensorId x) {
  Sizes dims = at.node().has_arg("dim") && at.has("dim") ? at.integers("dim") : Sizes{};
  for (int64_t& dim : dims) dim = dim < 0 ? dim + at.rank(x) : dim;
  return dims;
}

void frobenius(Lowering& at) { at.set_output(vector_norm(at, read_reduction(at, Type::FLOAT32), 2)); }

void lower_matrix_norm(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  matrix_norm(at, x, read_dims(at, x), at.number("ord"), at.flag("keepdim"));
}

void lower_named_norm(Lowering& at) {
  const std::string& name = at.node().arg("ord").as_string();
  if (name != "fro") {
    at.refuse("the '" + name + "' norm, which needs singular values", "use the Frobenius norm, or order 1 or inf");
  }
  frobenius(at);
}

// Without an order: of the flattened tensor. A vector norm for one dimension, a matrix norm for two.
void lower_linalg_norm(Lowering& at) {
  if (!at.has("ord")) return frobenius(at);
  const TensorId x = at.input("self", Type::FLOAT32);
  const Sizes dims = read_dims(at, x);
  if (dims.size() == 2 || (dims.empty() && at.rank(x) == 2)) {
    return matrix_norm(at, x, dims.empty() ? Sizes{0, 1} : dims, at.number("ord"), at.flag("keepdim"));
  }
  at.set_output(vector_norm(at, read_reduction(at, Type::FLOAT32), at.number("ord")));
}

// Every slice along a dimension scaled down to at most `maxnorm`.
void lower_renorm(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const int64_t axis = at.axis("dim", at.rank(x));
  Reduced from{x, {}, true};
  for (int64_t i = 0; i < at.rank(x); ++i) {
    if (i != axis) from.axes.push_back(i);
  }
  const double limit = at.number("maxnorm");
  const TensorId norm = vector_norm(at, from, at.number("p"));
  const TensorId shrunk = at.binary(Op::DIV, number(at, limit), at.binary(Op::ADD, norm, number(at, 1e-7)));
  const TensorId exceeds = at.compare(Op::GREATER, norm, number(at, limit));
  at.set_output(at.binary(Op::MUL, x, at.select(exceeds, shrunk, number(at, 1))));
}

}  // namespace

void register_norm(Registry& registry) {
  constexpr auto kNoSingularValues = "orders 1, -1, inf, -inf and 'fro': the others need singular values";
  registry.add({"linalg_vector_norm.default", "norm.Scalar", "norm.ScalarOpt_dim", "norm.ScalarOpt_dtype",
                "norm.ScalarOpt_dim_dtype"},
               lower_vector_norm);
  registry.add({"frobenius_norm.dim"}, frobenius);
  registry.add({"linalg_matrix_norm.default"}, lower_matrix_norm, kNoSingularValues);
  registry.add({"linalg_matrix_norm.str_ord", "linalg_norm.ord_str"}, lower_named_norm, kNoSingularValues);
  registry.add({"linalg_norm.default"}, lower_linalg_norm, kNoSingularValues);
  registry.add({"renorm.default"}, lower_renorm);
}

}  // namespace tinyml::lowering
