// Products beyond matmul: chains, powers, Kronecker, cross and outer ones, sums along diagonals.
#include <fmt/format.h>

#include "evaluate/algebra.h"
#include "evaluate/matrix_multiply.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

constexpr std::string_view kSelfOther[] = {"self", "other"};

/// beta self + alpha product; a beta of 0 leaves `self` out, whatever it holds.
Tensor added(const OperatorCall& call, const Tensor& product) {
  const Tensor self = call.tensor("self");
  const Tensor scaled = product * call.number("alpha");
  const double beta = call.number("beta");
  return (beta == 0 ? scaled : real(self) * beta + scaled).to(self.type());
}

Tensor addbmm(const OperatorCall& call) {
  return added(call, sum(matrix_multiply(real(call, "batch1"), real(call, "batch2")), {0}));
}

Tensor addr(const OperatorCall& call) {
  return added(call, unsqueeze(real(call, "vec1"), 1) * unsqueeze(real(call, "vec2"), 0));
}

Tensor chain(const std::vector<Tensor>& tensors) {
  if (tensors.empty()) throw Error("an empty list of matrices");
  Tensor result = tensors[0];
  for (size_t i = 1; i < tensors.size(); ++i) result = matrix_multiply(result, tensors[i]);
  return result;
}

Tensor chain_matmul(const OperatorCall& call) { return chain(call.tensors("matrices")); }
Tensor multi_dot(const OperatorCall& call) { return chain(call.tensors("tensors")); }

Tensor matrix_power(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  int64_t n = call.integer("n");
  if (n < 0) throw Error("matrix_power: a negative power needs an inverse, which is not supported");
  if (self.rank() < 2 || self.size(-1) != self.size(-2)) throw Error("matrix_power: square matrices are expected");
  Tensor base = real(self);
  Tensor result = apply(base, [](double) { return 0.0; });
  double* out = result.mutable_data<double>();
  const int64_t size = self.size(-1);
  for (int64_t i = 0; i < result.numel(); ++i) out[i] = i / size % size == i % size ? 1 : 0;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) result = matrix_multiply(result, base);
    if (n > 1) base = matrix_multiply(base, base);
  }
  return result.to(self.type());
}

/// Every element of the one times the whole other, dimension by dimension.
Tensor kron(const OperatorCall& call) {
  Tensor x = real(call, "self");
  Tensor y = real(call, "other");
  Sizes shape;
  const int64_t rank = std::max(x.rank(), y.rank());
  while (x.rank() < rank) x = unsqueeze(x, 0);
  while (y.rank() < rank) y = unsqueeze(y, 0);
  for (int64_t i = 0; i < rank; ++i) shape.push_back(x.size(i) * y.size(i));
  for (int64_t i = 0; i < rank; ++i) {
    x = unsqueeze(x, 2 * i + 1);
    y = unsqueeze(y, 2 * i);
  }
  return (x * y).reshaped(shape).to(common_type(call, kSelfOther, false));
}

Tensor cross_product(const Tensor& x, const Tensor& y, int64_t dim) {
  const Sizes shapes[] = {x.shape(), y.shape()};
  const Sizes shape = broadcast_shapes(shapes);
  dim = normalize_dim(dim, static_cast<int64_t>(shape.size()));
  if (shape.empty() || shape[static_cast<size_t>(dim)] != 3) throw Error("cross: a dimension of size 3 is expected");
  const Tensor a = broadcast_to(x, shape);
  const Tensor b = broadcast_to(y, shape);
  const auto rotated = [dim](const Tensor& t, int64_t by) {
    const Sizes order{by % 3, (by + 1) % 3, (by + 2) % 3};
    return t.index_select(dim, order);
  };
  return rotated(a, 1) * rotated(b, 2) - rotated(a, 2) * rotated(b, 1);
}

Tensor linalg_cross(const OperatorCall& call) {
  return cross_product(real(call, "self"), real(call, "other"), call.integer("dim"))
      .to(common_type(call, kSelfOther, false));
}

/// Without a dimension the first of size 3.
Tensor cross(const OperatorCall& call) {
  const Tensor x = real(call, "self");
  int64_t dim = 0;
  if (const auto given = call.optional_integer("dim")) {
    dim = *given;
  } else {
    while (dim < x.rank() && x.size(dim) != 3) ++dim;
    if (dim == x.rank()) throw Error("cross: no dimension has size 3");
  }
  return cross_product(x, real(call, "other"), dim).to(common_type(call, kSelfOther, false));
}

Tensor vecdot(const OperatorCall& call) {
  constexpr std::string_view kNames[] = {"x", "y"};
  const Tensor products = real(call, "x") * real(call, "y");
  return sum(products, {normalize_dim(call.integer("dim"), products.rank())}).to(common_type(call, kNames, false));
}

/// The listed dimensions of both multiplied and summed.
Tensor tensordot(const OperatorCall& call) {
  const Tensor x = real(call, "self");
  const Tensor y = real(call, "other");
  const Sizes summed_x = normalize_dims(call.integers("dims_self"), x.rank());
  const Sizes summed_y = normalize_dims(call.integers("dims_other"), y.rank());
  if (summed_x.size() != summed_y.size()) throw Error("tensordot: as many dimensions of either tensor are expected");
  Sizes shape;
  const auto arranged = [&shape](const Tensor& t, const Sizes& summed, bool last) {
    Sizes kept;
    int64_t count = 1;
    for (int64_t i = 0; i < t.rank(); ++i) {
      if (std::find(summed.begin(), summed.end(), i) != summed.end()) {
        count *= t.size(i);
        continue;
      }
      kept.push_back(i);
      shape.push_back(t.size(i));
    }
    Sizes order = last ? kept : summed;
    const Sizes& rest = last ? summed : kept;
    order.insert(order.end(), rest.begin(), rest.end());
    const int64_t others = count == 0 ? 0 : t.numel() / count;
    const Tensor rows = t.permuted(order).contiguous();
    return last ? rows.reshaped({others, count}) : rows.reshaped({count, others});
  };
  const Tensor left = arranged(x, summed_x, true);
  const Tensor right = arranged(y, summed_y, false);
  if (left.size(1) != right.size(0)) throw Error("tensordot: the summed dimensions do not fit");
  return matrix_multiply(left, right).reshaped(shape).to(common_type(call, kSelfOther, false));
}

Tensor trace(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() != 2) throw Error("trace: a matrix is expected");
  const std::vector<double> values = self.to_doubles();
  double total = 0;
  for (int64_t i = 0; i < std::min(self.size(0), self.size(1)); ++i) {
    total += values[static_cast<size_t>(i * (self.size(1) + 1))];
  }
  return Tensor::scalar(total).to(is_floating_point(self.type()) ? self.type() : ScalarType::kInt64);
}

/// Powers 0, 1, ... N - 1 of every element in a new last dimension.
Tensor vander(const OperatorCall& call) {
  const Tensor self = call.tensor("x");
  const int64_t count = call.optional_integer("N").value_or(self.rank() == 0 ? 1 : self.size(-1));
  if (count < 0) throw Error("vander: a negative number of powers");
  Tensor powers(ScalarType::kFloat64, {count});
  double* out = powers.mutable_data<double>();
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<double>(i);
  const ScalarType type = is_floating_point(self.type()) ? self.type() : ScalarType::kInt64;
  return apply(unsqueeze(real(self), -1), powers, [](double x, double p) { return std::pow(x, p); }).to(type);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.addbmm.default", addbmm},
    {"aten.addr.default", addr},
    {"aten.chain_matmul.default", chain_matmul},
    {"aten.linalg_multi_dot.default", multi_dot},
    {"aten.matrix_power.default", matrix_power},
    {"aten.kron.default", kron},
    {"aten.cross.default", cross},
    {"aten.linalg_cross.default", linalg_cross},
    {"aten.linalg_vecdot.default", vecdot},
    {"aten.tensordot.default", tensordot},
    {"aten.trace.default", trace},
    {"aten.linalg_vander.default", vander},
};

}  // namespace

std::span<const OperatorEntry> product_operators() { return kOperators; }

}  // namespace tinyml::evaluation
