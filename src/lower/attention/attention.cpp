// scaled_dot_product_attention: BATCH_MATMUL, SOFTMAX, BATCH_MATMUL.
#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Added to a score that must not count: its exponential is zero, and sums of two stay finite.
constexpr float kMasked = -1e30F;

// Keys and values of fewer heads than queries: each serves a group of neighbouring queries' heads.
TensorId repeat_heads(Lowering& at, TensorId x, int64_t heads) {
  Sizes shape = at.shape(x);
  const size_t dim = shape.size() - 3;
  const int64_t own = shape[dim];
  if (own == heads) return x;
  shape.insert(shape.begin() + static_cast<int64_t>(dim) + 1, 1);
  x = at.reshape(x, shape);
  shape[dim + 1] = heads / own;
  x = at.broadcast_to(x, shape);
  shape.erase(shape.begin() + static_cast<int64_t>(dim));
  shape[dim] = heads;
  return at.reshape(x, shape);
}

TensorId causal_mask(Lowering& at, int64_t queries, int64_t keys) {
  std::vector<float> mask;
  for (int64_t row = 0; row < queries; ++row) {
    for (int64_t column = 0; column < keys; ++column) mask.push_back(column <= row ? 0.0F : kMasked);
  }
  return at.constant(std::move(mask), {queries, keys});
}

// What is added to the scores: the mask itself, or 0 and kMasked for true and false.
TensorId additive_mask(Lowering& at) {
  const TensorId mask = at.input("attn_mask");
  if (at.type(mask) != Type::BOOL) return at.cast(mask, Type::FLOAT32);
  if (const Tensor* data = at.constant_data("attn_mask")) {
    std::vector<float> values;
    for (const double allowed : data->to_doubles()) values.push_back(allowed != 0 ? 0.0F : kMasked);
    return at.constant(std::move(values), data->shape());
  }
  const TensorId allowed = at.cast(mask, Type::FLOAT32);
  const TensorId missing = at.binary(Op::SUB, at.scalar(1, Type::FLOAT32), allowed);
  return at.binary(Op::MUL, missing, at.scalar(static_cast<double>(kMasked), Type::FLOAT32));
}

void lower_attention(Lowering& at) {
  TensorId query = at.input("query", Type::FLOAT32);
  TensorId key = at.input("key", Type::FLOAT32);
  TensorId value = at.input("value", Type::FLOAT32);
  const Sizes q = at.shape(query);
  if (q.size() > 2 && at.node().has_arg("enable_gqa") && at.flag("enable_gqa")) {
    key = repeat_heads(at, key, q[q.size() - 3]);
    value = repeat_heads(at, value, q[q.size() - 3]);
  }
  const Sizes k = at.shape(key);
  const double scale = at.has("scale") ? at.number("scale") : 1 / std::sqrt(static_cast<double>(q.back()));
  Sizes scores = at.output_sizes();
  scores.back() = k[k.size() - 2];
  query = at.binary(Op::MUL, query, at.scalar(scale, Type::FLOAT32));
  tflite::BatchMatMulOptions transposed;
  transposed.adj_y = true;
  TensorId weights = at.emit(Op::BATCH_MATMUL, {query, key}, Type::FLOAT32, scores, transposed);
  if (at.flag("is_causal")) weights = at.binary(Op::ADD, weights, causal_mask(at, q[q.size() - 2], k[k.size() - 2]));
  if (at.has("attn_mask")) weights = at.binary(Op::ADD, weights, additive_mask(at));
  weights = at.unary(Op::SOFTMAX, weights, tflite::SoftmaxOptions{});
  at.set_output(
      at.emit(Op::BATCH_MATMUL, {weights, value}, Type::FLOAT32, at.output_sizes(), tflite::BatchMatMulOptions{}));
}

}  // namespace

void register_attention(Registry& registry) { registry.add({"scaled_dot_product_attention.default"}, lower_attention); }

}  // namespace tinyml::lowering
