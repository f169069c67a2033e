#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// query [..., L, E], key [..., S, E], value [..., S, V] -> [..., L, V]. The scale depends on E unless it is given, so
/// E keeps its size then; V is free.
void propagate_attention(Propagation& p, const Node& node) {
  const ValueId query = operand(node, 0), key = operand(node, 1), value = operand(node, 2), output = node.outputs[0];
  const int64_t rank = p.rank(output);
  for (ValueId each : {query, key}) {
    for (int64_t dim = p.rank(each); dim-- > 0;) p.fix(each, dim, "attention scores sum over it");
  }
  if (const ValueId mask = optional_operand(node, "attn_mask"); mask != kNoValue) p.fix_all(mask, "it masks attention");
  p.fix(value, p.rank(value) - 2, "attention sums over it");
  for (int64_t dim = p.rank(value) - 3; dim >= 0; --dim) p.fix(value, dim, "it is a batch or head of attention");
  Blocks result;
  for (Block block : p.blocks(value)) {
    for (int64_t& dim : block.dims) dim += rank - p.rank(value);
    result.push_back(std::move(block));
  }
  p.set(output, std::move(result));
}

}  // namespace

void add_attention_rules(Rules& rules) {
  add_rules(rules, {"aten.scaled_dot_product_attention.default"}, propagate_attention);
}

}  // namespace tinyml::analysis
