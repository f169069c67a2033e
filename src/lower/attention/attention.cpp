// scaled_dot_product_attention: BATCH_MATMUL, SOFTMAX, BATCH_MATMUL.
#include <algorithm>
#include <cmath>

#include "lower/attention/mask.h"
#include "lower/math/matmul.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Keys or values of fewer heads than queries serve a group of neighbouring queries' heads each: the heads of a group
// are further rows of one, so that nothing is repeated.
Sizes grouped(const Sizes& shape, int64_t heads) {
  Sizes result = shape;
  const size_t head = shape.size() - 3;
  result[head] = heads;
  result[head + 1] = shape[head + 1] * (shape[head] / heads);
  return result;
}

// The product of x [..., heads, rows, k] with y, of equally many heads or, under `gqa`, of some.
TensorId multiply(Lowering& at, TensorId x, TensorId y, bool transposed, bool gqa) {
  const Sizes own = at.shape(x);
  const Sizes other = at.shape(y);
  gqa = gqa && other[other.size() - 3] > 1;
  const TensorId rows = gqa ? at.reshape(x, grouped(own, other[other.size() - 3])) : x;
  const TensorId result = multiply_matrices(at, rows, y, transposed);
  if (!gqa) return result;
  Sizes shape = own;
  shape.back() = at.shape(result).back();
  return at.reshape(result, shape);
}

void lower_attention(Lowering& at) {
  if (at.wants_output(1)) at.refuse("more than the result is used", "use the result alone");
  if (at.node().has_arg("dropout_mask") && at.has("dropout_mask")) at.refuse("a given dropout mask", "leave it out");
  TensorId query = at.input("query", Type::FLOAT32);
  const TensorId key = at.input("key", Type::FLOAT32);
  const TensorId value = at.input("value", Type::FLOAT32);
  const Sizes q = at.shape(query);
  const bool gqa = q.size() > 2 && at.node().has_arg("enable_gqa") && at.flag("enable_gqa");
  const double scale = at.has("scale") ? at.number("scale") : 1 / std::sqrt(static_cast<double>(q.back()));
  if (scale != 1) query = at.binary(Op::MUL, query, at.scalar(scale, Type::FLOAT32));
  TensorId weights = multiply(at, query, key, true, gqa);
  const AttentionMask mask = attention_mask(at, q[q.size() - 2], at.shape(key)[at.shape(key).size() - 2]);
  if (mask.added != tflite::kNoTensor) weights = at.binary(Op::ADD, weights, mask.added);
  weights = at.unary(Op::SOFTMAX, weights, tflite::SoftmaxOptions{});
  TensorId result = multiply(at, weights, value, false, gqa);
  if (mask.alive != tflite::kNoTensor) result = at.binary(Op::MUL, result, mask.alive);
  at.set_output(result);
}

}  // namespace

void register_attention(Registry& registry) {
  registry.add({"scaled_dot_product_attention.default", "_scaled_dot_product_flash_attention_for_cpu.default",
                "_scaled_dot_product_attention_math.default"},
               lower_attention, "a mask of floats that is computed must leave every query a key to look at");
}

}  // namespace tinyml::lowering
