// Similarities of vectors, which losses are made of.
#include "lower/nn/similarity.h"

#include <cmath>

namespace tinyml::lowering {

TensorId cosine_similarity(Lowering& at, TensorId a, TensorId b, int64_t axis, double epsilon, bool keep_dims) {
  const Sizes shape = broadcast(at.shape(a), at.shape(b));
  // The norms run over the axis as it is after broadcasting.
  const auto full = [&](TensorId x) {
    Sizes own(shape.size() - at.shape(x).size(), 1);
    const Sizes last = at.shape(x);
    own.insert(own.end(), last.begin(), last.end());
    x = at.reshape(x, own);
    own[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)];
    return at.broadcast_to(x, own);
  };
  a = full(a);
  b = full(b);
  const auto inverse_norm = [&](TensorId x) {
    const TensorId square = at.reduce(Op::SUM, at.binary(Op::MUL, x, x), {axis}, keep_dims);
    return at.unary(Op::RSQRT, at.binary(Op::MAXIMUM, square, at.scalar(epsilon * epsilon, Type::FLOAT32)));
  };
  const TensorId product = at.reduce(Op::SUM, at.binary(Op::MUL, a, b), {axis}, keep_dims);
  return at.binary(Op::MUL, product, at.binary(Op::MUL, inverse_norm(a), inverse_norm(b)));
}

TensorId vector_distance(Lowering& at, TensorId a, TensorId b, double order, double epsilon, bool keep_dims) {
  TensorId x = at.binary(Op::SUB, a, b);
  if (epsilon != 0) x = at.binary(Op::ADD, x, at.scalar(epsilon, Type::FLOAT32));
  const Sizes axes = {at.rank(x) - 1};
  if (order == 2) return at.unary(Op::SQRT, at.reduce(Op::SUM, at.binary(Op::MUL, x, x), axes, keep_dims));
  if (order <= 0) at.refuse("a distance of that order", "use order 1, 2, infinity or another positive one");
  x = at.unary(Op::ABS, x);
  if (order == 1) return at.reduce(Op::SUM, x, axes, keep_dims);
  if (std::isinf(order)) return at.reduce(Op::REDUCE_MAX, x, axes, keep_dims);
  const TensorId sum = at.reduce(Op::SUM, at.binary(Op::POW, x, at.scalar(order, Type::FLOAT32)), axes, keep_dims);
  return at.binary(Op::POW, sum, at.scalar(1 / order, Type::FLOAT32));
}

}  // namespace tinyml::lowering
