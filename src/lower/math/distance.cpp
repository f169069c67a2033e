// Distances between vectors: cdist, pdist, pairwise_distance, cosine_similarity, dist.
#include "lower/math/elementwise.h"
#include "lower/math/matmul.h"
#include "lower/math/reduced.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Above so many points PyTorch takes the Euclidean distance from a product of matrices, unless told otherwise.
constexpr int64_t kManyPoints = 25;
enum ComputeMode : int64_t { kProductIfMany = 0, kProduct = 1, kDifferences = 2 };

Sizes inserted(Sizes shape, size_t from_end) {
  shape.insert(shape.end() - static_cast<std::ptrdiff_t>(from_end), 1);
  return shape;
}

TensorId squared_length(Lowering& at, TensorId x) {
  return at.reduce(Op::SUM, at.binary(Op::MUL, x, x), {at.rank(x) - 1}, true);
}

// sqrt(|a|^2 + |b|^2 - 2 a b)
TensorId euclidean_by_product(Lowering& at, TensorId a, TensorId b) {
  const Sizes order = [&] {
    Sizes result;
    for (int64_t i = 0; i < at.rank(b); ++i) result.push_back(i);
    std::swap(result[result.size() - 1], result[result.size() - 2]);
    return result;
  }();
  const TensorId cross = matmul(at, at.binary(Op::MUL, a, number(at, -2)), at.transpose(b, order));
  const TensorId lengths = at.binary(Op::ADD, squared_length(at, a), at.transpose(squared_length(at, b), order));
  return at.unary(Op::SQRT, at.unary(Op::RELU, at.binary(Op::ADD, cross, lengths)));
}

void lower_cdist(Lowering& at) {
  const TensorId a = at.input("x1", Type::FLOAT32);
  const TensorId b = at.input("x2", Type::FLOAT32);
  const double order = at.number("p");
  const int64_t mode = at.has("compute_mode") ? at.integer("compute_mode") : kProductIfMany;
  const Sizes first = at.shape(a);
  const Sizes second = at.shape(b);
  const bool many = first[first.size() - 2] > kManyPoints || second[second.size() - 2] > kManyPoints;
  if (order == 2 && (mode == kProduct || (mode == kProductIfMany && many))) {
    return at.set_output(euclidean_by_product(at, a, b));
  }
  const TensorId difference = at.binary(Op::SUB, at.reshape(a, inserted(first, 1)), at.reshape(b, inserted(second, 2)));
  at.set_output(vector_norm(at, {difference, {at.rank(difference) - 1}, false}, order));
}

// The distances of rows i < j of one matrix.
void lower_pdist(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const int64_t count = at.shape(x)[0];
  Sizes first;
  Sizes second;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = i + 1; j < count; ++j) {
      first.push_back(i);
      second.push_back(j);
    }
  }
  if (first.empty()) at.refuse("the distances of a single row");
  const TensorId difference = at.binary(Op::SUB, at.gather(x, first, 0), at.gather(x, second, 0));
  at.set_output(vector_norm(at, {difference, {1}, false}, at.number("p")));
}

void lower_pairwise_distance(Lowering& at) {
  const TensorId difference = at.binary(Op::SUB, at.input("x1", Type::FLOAT32), at.input("x2", Type::FLOAT32));
  const TensorId x = at.binary(Op::ADD, difference, number(at, at.number("eps")));
  at.set_output(vector_norm(at, {x, {at.rank(x) - 1}, at.flag("keepdim")}, at.number("p")));
}

void lower_dist(Lowering& at) {
  const TensorId x = at.binary(Op::SUB, at.input("self", Type::FLOAT32), at.input("other", Type::FLOAT32));
  Reduced from{x, {}, false};
  for (int64_t i = 0; i < at.rank(x); ++i) from.axes.push_back(i);
  at.set_output(vector_norm(at, from, at.number("p")));
}

// a b / (max(|a|, eps) max(|b|, eps))
void lower_cosine_similarity(Lowering& at) {
  const TensorId a = at.input("x1", Type::FLOAT32);
  const TensorId b = at.input("x2", Type::FLOAT32);
  const Sizes shape = broadcast(at.shape(a), at.shape(b));
  const int64_t axis = at.axis("dim", static_cast<int64_t>(shape.size()));
  const double eps = at.number("eps");
  const auto inverse_length = [&](TensorId x) {
    const TensorId sum = at.reduce(Op::SUM, at.binary(Op::MUL, x, x), {axis}, true);
    return at.unary(Op::RSQRT, at.binary(Op::MAXIMUM, sum, number(at, eps * eps)));
  };
  const TensorId left = at.broadcast_to(a, shape);
  const TensorId right = at.broadcast_to(b, shape);
  const TensorId product = at.reduce(Op::SUM, at.binary(Op::MUL, left, right), {axis}, true);
  const TensorId scale = at.binary(Op::MUL, inverse_length(left), inverse_length(right));
  at.set_output(at.reshape(at.binary(Op::MUL, product, scale), at.output_sizes()));
}

}  // namespace

void register_distance(Registry& registry) {
  registry.add({"cdist.default", "_cdist_forward.default"}, lower_cdist);
  registry.add({"pdist.default", "_pdist_forward.default"}, lower_pdist, "at least two rows");
  registry.add({"pairwise_distance.default"}, lower_pairwise_distance);
  registry.add({"dist.default"}, lower_dist);
  registry.add({"cosine_similarity.default"}, lower_cosine_similarity);
}

}  // namespace tinyml::lowering
