#include "lower/attention/mask.h"

#include <algorithm>
#include <cmath>

namespace tinyml::lowering {
namespace {

// Added to a score that must not count: its exponential is zero, and sums of two stay finite.
constexpr float kMasked = -1e30F;

TensorId causal_mask(Lowering& at, int64_t queries, int64_t keys) {
  std::vector<float> mask;
  for (int64_t row = 0; row < queries; ++row) {
    for (int64_t column = 0; column < keys; ++column) mask.push_back(column <= row ? 0.0F : kMasked);
  }
  return at.constant(std::move(mask), {queries, keys});
}

AttentionMask constant_mask(Lowering& at, const Tensor& data) {
  const bool boolean = data.type() == ScalarType::kBool;
  std::vector<float> added;
  for (const double value : data.to_doubles()) {
    const bool masked = boolean ? value == 0 : value < static_cast<double>(kMasked);
    added.push_back(masked ? kMasked : boolean ? 0.0F : static_cast<float>(value));
  }
  const auto keys = static_cast<size_t>(data.shape().back());
  std::vector<float> alive;
  for (size_t row = 0; row < added.size(); row += keys) {
    const auto begin = added.begin() + static_cast<std::ptrdiff_t>(row);
    const bool any =
        std::any_of(begin, begin + static_cast<std::ptrdiff_t>(keys), [](float value) { return value != kMasked; });
    alive.push_back(any ? 1.0F : 0.0F);
  }
  AttentionMask mask;
  const bool some_dead = std::find(alive.begin(), alive.end(), 0.0F) != alive.end();
  const bool adds = std::any_of(added.begin(), added.end(), [](float value) { return value != 0; });
  if (adds) mask.added = at.constant(std::move(added), data.shape());
  if (some_dead) {
    Sizes shape = data.shape();
    shape.back() = 1;
    mask.alive = at.constant(std::move(alive), shape);
  }
  return mask;
}

}  // namespace

AttentionMask attention_mask(Lowering& at, int64_t queries, int64_t keys) {
  AttentionMask mask;
  if (at.flag("is_causal")) {
    mask.added = causal_mask(at, queries, keys);
    return mask;
  }
  if (!at.has("attn_mask")) return mask;
  if (const Tensor* data = at.constant_data("attn_mask"); data != nullptr && data->numel() > 0) {
    return constant_mask(at, *data);
  }
  const TensorId given = at.input("attn_mask");
  if (at.type(given) != Type::BOOL) {
    mask.added = at.cast(given, Type::FLOAT32);
    return mask;
  }
  const TensorId allowed = at.cast(given, Type::FLOAT32);
  const TensorId missing = at.binary(Op::SUB, at.scalar(1, Type::FLOAT32), allowed);
  mask.added = at.binary(Op::MUL, missing, at.scalar(static_cast<double>(kMasked), Type::FLOAT32));
  mask.alive = at.reduce(Op::REDUCE_MAX, allowed, {at.rank(allowed) - 1}, true);
  return mask;
}

}  // namespace tinyml::lowering
