#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// What masks an attention's scores [..., queries, keys]; kNoTensor for what is not needed.
struct AttentionMask {
  TensorId added = tflite::kNoTensor;  ///< Added to the scores.
  /// [..., queries or 1, 1]: 0 for queries that may look at nothing, whose result PyTorch defines as zero, else 1.
  TensorId alive = tflite::kNoTensor;
};

/// From the node's arguments is_causal and attn_mask: boolean (true: may be looked at) or added to the scores. A mask
/// of floats that the model computes is added as it is: a query whose scores it sets all to minus infinity becomes NaN.
AttentionMask attention_mask(Lowering& at, int64_t queries, int64_t keys);

}  // namespace tinyml::lowering
