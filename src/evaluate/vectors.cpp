// Norms of and products between vectors: weight norm, cosine similarity, distances, bilinear forms.
#include <algorithm>
#include <cmath>

#include "evaluate/elementwise.h"
#include "evaluate/matrix_multiply.h"
#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

template <typename T>
Tensor norm(const Tensor& tensor, const Sizes& dims, double p, bool keepdim) {
  return reduce_rows<T, T>(gather_rows(tensor, dims, keepdim),
                           [p](const T* row, int64_t length) { return static_cast<T>(vector_norm(row, length, p)); });
}

/// v * g / |v|, the norm over all dimensions but `dim` (-1: over all).
Tensor weight_norm(const OperatorCall& call) {
  const Tensor v = call.tensor("v");
  const int64_t dim = call.integer("dim");
  Sizes dims;
  for (int64_t i = 0; i < v.rank(); ++i) {
    if (i != dim) dims.push_back(i);
  }
  return dispatch_floating(v.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             const Tensor x = v.to(scalar_type_of<T>());
                             const Tensor scale =
                                 map_elements<T, T>(call.tensor("g").to(scalar_type_of<T>()), norm<T>(x, dims, 2, true),
                                                    [](T g, T length) -> T { return g / length; });
                             return map_elements<T, T>(x, scale, [](T a, T b) -> T { return a * b; });
                           })
      .to(v.type());
}

/// (the weight, its norm)
std::vector<Tensor> weight_norm_interface(const OperatorCall& call) {
  if (call.wants_output(1)) throw Error("the norm that weight norm keeps for the backward pass has no use here");
  const Tensor result = weight_norm(call);
  return {result, Tensor(result.type(), {0})};
}

Tensor cosine_similarity(const OperatorCall& call) {
  const Tensor a = call.tensor("x1");
  const Tensor b = call.tensor("x2");
  const double eps = call.number("eps");
  return dispatch_floating(
             a.type(),
             [&](auto zero) {
               using T = decltype(zero);
               const Tensor x = a.to(scalar_type_of<T>());
               const Tensor y = b.to(scalar_type_of<T>());
               const int64_t dim = normalize_dim(call.integer("dim"), std::max(a.rank(), b.rank()));
               const auto sum_of = [&](auto f) {  // over both, broadcast
                 return reduce_rows<T, T>(gather_rows(map_elements<T, T>(x, y, f), {dim}, false),
                                          [](const T* row, int64_t length) {
                                            double sum = 0;
                                            for (int64_t i = 0; i < length; ++i) sum += static_cast<double>(row[i]);
                                            return static_cast<T>(sum);
                                          });
               };
               const Tensor product = sum_of([](T p, T q) -> T { return p * q; });
               const auto least = static_cast<T>(eps);
               const Tensor lengths = map_elements<T, T>(
                   sum_of([](T p, T) -> T { return p * p; }), sum_of([](T, T q) -> T { return q * q; }),
                   [least](T p, T q) -> T { return std::max(std::sqrt(p), least) * std::max(std::sqrt(q), least); });
               return map_elements<T, T>(product, lengths, [](T p, T q) -> T { return p / q; });
             })
      .to(a.type());
}

Tensor pairwise_distance(const OperatorCall& call) {
  const Tensor a = call.tensor("x1");
  return dispatch_floating(
             a.type(),
             [&](auto zero) {
               using T = decltype(zero);
               const auto eps = static_cast<T>(call.number("eps"));
               const Tensor difference =
                   map_elements<T, T>(a.to(scalar_type_of<T>()), call.tensor("x2").to(scalar_type_of<T>()),
                                      [eps](T x, T y) -> T { return x - y + eps; });
               return norm<T>(difference, {difference.rank() - 1}, call.number("p"), call.boolean("keepdim"));
             })
      .to(a.type());
}

Tensor vdot(const OperatorCall& call) { return matrix_multiply(call.tensor("self"), call.tensor("other")); }

Tensor inner(const OperatorCall& call) {
  const Tensor a = call.tensor("self");
  const Tensor b = call.tensor("other");
  if (a.rank() == 0 || b.rank() == 0) throw Error("inner: vectors are expected");
  Sizes shape(a.shape().begin(), a.shape().end() - 1);
  shape.insert(shape.end(), b.shape().begin(), b.shape().end() - 1);
  const Tensor rows = reshape(a, {-1, a.size(-1)});
  const Tensor columns = transpose(reshape(b, {-1, b.size(-1)}), 0, 1);
  return reshape(matrix_multiply(rows, columns), shape);
}

/// y[..., o] = sum over i, j of x1[..., i] W[o, i, j] x2[..., j] + b[o]
Tensor bilinear(const OperatorCall& call) {
  const Tensor first = call.tensor("input1");
  const Tensor second = call.tensor("input2");
  const Tensor weight = call.tensor("weight");
  const Tensor left = matrix_multiply(unsqueeze(unsqueeze(first, -2), -2), weight);  // [..., o, 1, j]
  const Tensor product = matrix_multiply(left, unsqueeze(unsqueeze(second, -1), -3));
  Sizes shape(first.shape().begin(), first.shape().end() - 1);
  shape.push_back(weight.size(0));
  const Tensor result = reshape(product, shape);
  if (call.is_none("bias")) return result;
  return dispatch_floating(result.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return map_elements<T, T>(result.to(scalar_type_of<T>()),
                                                       call.tensor("bias").to(scalar_type_of<T>()),
                                                       [](T x, T y) -> T { return x + y; });
                           })
      .to(result.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten._weight_norm.default", weight_norm},
    {"aten._weight_norm_interface.default", weight_norm_interface},
    {"aten.cosine_similarity.default", cosine_similarity},
    {"aten.pairwise_distance.default", pairwise_distance},
    {"aten.vdot.default", vdot},
    {"aten.inner.default", inner},
    {"aten.bilinear.default", bilinear},
};

}  // namespace

std::span<const OperatorEntry> vector_operators() { return kOperators; }

}  // namespace tinyml::evaluation
