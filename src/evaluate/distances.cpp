// Distances between vectors and norms of matrices.
#include <fmt/format.h>

#include "evaluate/algebra.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

Tensor last_norm(const Tensor& x, double p) { return vector_norm(x, {x.rank() - 1}, p); }

/// [..., P, M] and [..., R, M] -> [..., P, R].
Tensor cdist(const OperatorCall& call) {
  const Tensor first = call.tensor("x1");
  const Tensor x = real(first);
  const Tensor y = real(call, "x2");
  if (x.rank() < 2 || y.rank() < 2 || x.size(-1) != y.size(-1)) throw Error("rows of one length are expected");
  return last_norm(unsqueeze(x, -2) - unsqueeze(y, -3), call.number("p")).to(first.type());
}

/// Between every two rows of [N, M], the first of each pair in front: [N (N - 1) / 2].
Tensor pdist(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() != 2) throw Error("a matrix is expected");
  Sizes first;
  Sizes second;
  for (int64_t i = 0; i < self.size(0); ++i) {
    for (int64_t j = i + 1; j < self.size(0); ++j) {
      first.push_back(i);
      second.push_back(j);
    }
  }
  const Tensor rows = real(self);
  return last_norm(rows.index_select(0, first) - rows.index_select(0, second), call.number("p")).to(self.type());
}

Tensor dist(const OperatorCall& call) {
  constexpr std::string_view kNames[] = {"self", "other"};
  return vector_norm(real(call, "self") - real(call, "other"), {}, call.number("p"))
      .to(common_type(call, kNames, true));
}

/// The argument `ord`: a number or a name.
struct Order {
  double p = 0;
  std::string name;
};

std::optional<Order> order_of(const OperatorCall& call) {
  if (call.is_none("ord")) return std::nullopt;
  if (call.node().arg("ord").is_string()) return Order{0, call.string("ord")};
  return Order{call.number("ord"), ""};
}

/// Sums of absolute values along one of two dimensions, and of these the largest or smallest; or the Frobenius norm.
Tensor matrix_norm(const Tensor& x, Sizes dims, bool keepdim, const std::optional<Order>& order) {
  dims = normalize_dims(std::move(dims), x.rank());
  if (dims.size() != 2) throw Error("two dimensions are expected");
  const double p = order ? order->p : 0;
  if (!order || order->name == "fro") return vector_norm(x, dims, 2, keepdim);
  if (!order->name.empty()) {
    throw Error(fmt::format("the matrix norm '{}' needs a singular value decomposition", order->name));
  }
  if (std::fabs(p) != 1 && !std::isinf(p)) {
    throw Error(fmt::format("the matrix norm of order {} needs a singular value decomposition", p));
  }
  const int64_t added = std::isinf(p) ? dims[1] : dims[0];
  const int64_t chosen = std::isinf(p) ? dims[0] : dims[1];
  const Tensor sums = sum(apply(x, [](double v) { return std::fabs(v); }), {added}, true);
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor result = vector_norm(sums, {chosen}, p > 0 ? infinity : -infinity, true);
  if (keepdim) return result;
  Sizes shape;
  for (int64_t i = 0; i < result.rank(); ++i) {
    if (i != added && i != chosen) shape.push_back(result.size(i));
  }
  return result.reshaped(shape);
}

ScalarType type_of(const OperatorCall& call) {
  return call.optional_type("dtype").value_or(call.tensor("self").type());
}

Tensor linalg_matrix_norm(const OperatorCall& call) {
  return matrix_norm(real(call, "self"), call.integers("dim"), call.boolean("keepdim"), order_of(call))
      .to(type_of(call));
}

/// Without an order the vector norm over everything listed; else of vectors or matrices by the number of dimensions.
Tensor linalg_norm(const OperatorCall& call) {
  const Tensor x = real(call, "self");
  const std::optional<Order> order = order_of(call);
  const bool keepdim = call.boolean("keepdim");
  Sizes dims = call.integers("dim");
  const size_t count = dims.empty() ? x.shape().size() : dims.size();
  if (!order || (count == 1 && order->name.empty())) {
    return vector_norm(x, dims, order ? order->p : 2, keepdim).to(type_of(call));
  }
  if (dims.empty()) dims = {-2, -1};
  return matrix_norm(x, dims, keepdim, order).to(type_of(call));
}

/// Slices of a dimension whose norm exceeds `maxnorm` are scaled down to it.
Tensor renorm(const OperatorCall& call) {
  constexpr double kEps = 1e-7;
  const Tensor self = call.tensor("self");
  const Tensor x = real(self);
  const int64_t dim = normalize_dim(call.integer("dim"), x.rank());
  Sizes others;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i != dim) others.push_back(i);
  }
  const double most = call.number("maxnorm");
  const Tensor factor = apply(vector_norm(x, others, call.number("p"), true),
                              [most](double norm) { return norm > most ? most / (norm + kEps) : 1; });
  return (x * factor).to(self.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.cdist.default", cdist},
    {"aten.pdist.default", pdist},
    {"aten.dist.default", dist},
    {"aten.linalg_matrix_norm.default", linalg_matrix_norm},
    {"aten.linalg_matrix_norm.str_ord", linalg_matrix_norm},
    {"aten.linalg_norm.default", linalg_norm},
    {"aten.linalg_norm.ord_str", linalg_norm},
    {"aten.renorm.default", renorm},
};

}  // namespace

std::span<const OperatorEntry> distance_operators() { return kOperators; }

}  // namespace tinyml::evaluation
