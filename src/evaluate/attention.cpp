// Scaled dot-product attention.
#include <cmath>
#include <limits>

#include "evaluate/matrix_multiply.h"
#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

/// Scores plus the mask; positions a bool mask or causality forbids get minus infinity.
template <typename T>
Tensor mask_scores(Tensor scores, const Tensor& mask, bool causal) {
  constexpr ScalarType kCompute = scalar_type_of<T>();
  constexpr T kForbidden = -std::numeric_limits<T>::infinity();
  if (mask.defined() && mask.type() == ScalarType::kBool) {
    scores = map_elements<T, bool, T>(mask, scores, scores,
                                      [](bool allowed, T score, T) { return allowed ? score : kForbidden; });
  } else if (mask.defined()) {
    scores = map_elements<T, T>(scores, mask.to(kCompute), [](T score, T bias) { return score + bias; });
  }
  if (!causal) return scores;
  T* values = scores.mutable_data<T>();
  const int64_t keys = scores.size(-1);
  for (int64_t i = 0; i < scores.numel(); ++i) {
    if (i % keys > i / keys % scores.size(-2)) values[i] = kForbidden;
  }
  return scores;
}

/// Rows that may attend to nothing become zero instead of NaN.
template <typename T>
Tensor attention_weights(const Tensor& scores) {
  return map_rows<T, T>(scores, -1, [](const T* in, T* out, int64_t length) {
    const T shift = length == 0 ? T{0} : *std::max_element(in, in + length);
    double total = 0;
    for (int64_t i = 0; i < length; ++i) {
      total += out[i] = shift == -std::numeric_limits<T>::infinity() ? T{0} : std::exp(in[i] - shift);
    }
    for (int64_t i = 0; i < length && total > 0; ++i) out[i] = static_cast<T>(out[i] / total);
  });
}

/// Each head of keys or values as often as queries share it.
Tensor repeat_heads(const Tensor& tensor, int64_t heads) {
  if (tensor.rank() < 3 || heads % tensor.size(-3) != 0)
    throw Error("the heads of keys do not divide those of queries");
  std::vector<int64_t> indices;
  const int64_t share = heads / tensor.size(-3);
  for (int64_t i = 0; i < heads; ++i) indices.push_back(i / share);
  return tensor.index_select(-3, indices);
}

Tensor attention(const OperatorCall& call) {
  const Tensor query = call.tensor("query");
  Tensor key = call.tensor("key");
  Tensor value = call.tensor("value");
  if (query.rank() < 2 || key.rank() < 2 || value.rank() < 2) throw Error("sequences of vectors are expected");
  if (call.node().has_arg("enable_gqa") && call.boolean("enable_gqa")) {
    key = repeat_heads(key, query.size(-3));
    value = repeat_heads(value, query.size(-3));
  }
  const double scale =
      call.optional_number("scale").value_or(1 / std::sqrt(static_cast<double>(std::max<int64_t>(query.size(-1), 1))));
  const Tensor mask = call.optional_tensor("attn_mask");
  return dispatch_floating(query.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             constexpr ScalarType kCompute = scalar_type_of<T>();
                             const auto factor = static_cast<T>(scale);
                             const Tensor scaled =
                                 map_elements<T, T>(query.to(kCompute), [factor](T x) { return x * factor; });
                             const Tensor scores = matrix_multiply(scaled, transpose(key.to(kCompute), -1, -2));
                             const Tensor masked = mask_scores<T>(scores, mask, call.boolean("is_causal"));
                             return matrix_multiply(attention_weights<T>(masked), value.to(kCompute));
                           })
      .to(query.type());
}

/// The fused forms' second result is for the backward pass.
std::vector<Tensor> attention_with_statistics(const OperatorCall& call) {
  if (call.wants_output(1)) throw Error("the second result of attention has no use in inference");
  Tensor result = attention(call);
  const ScalarType type = result.type();
  return {std::move(result), Tensor(type, {0})};
}

constexpr OperatorEntry kOperators[] = {
    {"aten.scaled_dot_product_attention.default", attention},
    {"aten._scaled_dot_product_attention_math.default", attention_with_statistics},
    {"aten._scaled_dot_product_flash_attention_for_cpu.default", attention_with_statistics},
};

}  // namespace

std::span<const OperatorEntry> attention_operators() { return kOperators; }

}  // namespace tinyml::evaluation
