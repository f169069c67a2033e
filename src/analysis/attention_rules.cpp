// query [..., H, L, E], key [..., H, S, E], value [..., H, S, V] -> [..., H, L, V]; keys and values may have fewer
// heads, each shared by a run of queries' heads. Either indices of E and of V go, equally many in each head, or whole
// heads.
#include <algorithm>

#include "analysis/index_space.h"
#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kHeads = "it is a batch or head of attention";
constexpr const char* kScores = "attention scores sum over it";

struct Attention {
  ValueId query, key, value, mask, output;
};

/// Each head as often as queries share it.
std::vector<int64_t> shared_heads(int64_t heads, int64_t queries) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < queries; ++i) indices.push_back(i * heads / queries);
  return indices;
}

int64_t heads_of(const Propagation& p, ValueId value) {
  return p.rank(value) < 3 ? 1 : p.sizes(value)[static_cast<size_t>(p.rank(value) - 3)];
}

/// Labels of the last dimension for every head: [heads, size], nullptr if it is fixed. Dimensions before the heads must
/// have been fixed.
LabelList labels_by_head(Propagation& p, ValueId value, int64_t heads) {
  const int64_t last = p.rank(value) - 1;
  const Block* block = block_at(p.blocks(value), last);
  if (block == nullptr) return nullptr;
  if (block->dims.size() > 1 && block->dims[0] != last - 2) {
    p.isolate(value, last);
    block = block_at(p.known_blocks(value), last);
  }
  Block own = *block;
  const bool by_head = own.dims.size() > 1;
  if (by_head && own.shape[0] < heads) own = take_indices(own, last - 2, shared_heads(own.shape[0], heads));
  if (by_head) return own.labels;
  auto labels = std::make_shared<Labels>();
  for (int64_t i = 0; i < heads; ++i) labels->insert(labels->end(), own.labels->begin(), own.labels->end());
  return labels;
}

bool is_zero(const Propagation& p, ValueId value) {
  const Block* block = block_at(p.known_blocks(value), p.rank(value) - 1);
  return block != nullptr && block->zero;
}

/// Queries and keys lose the same indices of E, in heads that belong together.
void link_scores(Propagation& p, const Attention& a) {
  const int64_t heads = heads_of(p, a.query);
  const LabelList query = labels_by_head(p, a.query, heads), key = labels_by_head(p, a.key, heads);
  if (query != nullptr && key != nullptr && (is_zero(p, a.query) || is_zero(p, a.key))) {
    p.labels().unite(query, key);
    return;
  }
  for (ValueId value : {a.query, a.key}) {
    p.isolate(value, p.rank(value) - 1);
    p.fix(value, p.rank(value) - 1, kScores);
  }
}

/// The output has the indices of V that values have.
Blocks mixed_values(Propagation& p, const Attention& a) {
  const int64_t shift = p.rank(a.output) - p.rank(a.value);
  const int64_t heads = heads_of(p, a.query);
  Blocks result;
  for (Block block : p.blocks(a.value)) {
    const int64_t head_dim = p.rank(a.value) - 3;
    if (block.dims[0] == head_dim && block.shape[0] < heads) {
      block = take_indices(block, head_dim, shared_heads(block.shape[0], heads));
    }
    for (int64_t& dim : block.dims) dim += shift;
    result.push_back(std::move(block));
  }
  return result;
}

/// Heads of queries, keys, values and of a mask of its own for each head go together.
Blocks link_heads(Propagation& p, const Attention& a) {
  const int64_t heads = heads_of(p, a.query);
  LabelList united;
  bool fixed = heads == 1;
  for (ValueId value : {a.query, a.key, a.value}) {
    p.fix(value, p.rank(value) - 1, "whole heads of attention are removed, not parts of them");
    LabelList labels = p.rank(value) < 3 ? nullptr : p.isolate(value, p.rank(value) - 3);
    fixed = fixed || labels == nullptr;
    if (fixed) continue;
    const auto own = static_cast<int64_t>(labels->size());
    if (own < heads) labels = take_indices({{0}, {own}, labels}, 0, shared_heads(own, heads)).labels;
    if (united != nullptr) p.labels().unite(united, labels);
    united = labels;
  }
  const bool masked = a.mask != kNoValue && p.rank(a.mask) > 2 && heads_of(p, a.mask) > 1;
  if (masked && !fixed) fixed = !p.link(united, a.mask, p.rank(a.mask) - 3, kHeads);
  if (fixed) {
    for (ValueId value : {a.query, a.key, a.value}) p.fix_all(value, kHeads);
    if (masked) p.fix(a.mask, p.rank(a.mask) - 3, kHeads);
    return {};
  }
  const Block* value = block_at(p.known_blocks(a.value), p.rank(a.value) - 3);
  return {{{p.rank(a.output) - 3}, {heads}, united, value != nullptr && value->zero}};
}

void propagate_attention(Propagation& p, const Node& node) {
  const Attention a{operand(node, 0), operand(node, 1), operand(node, 2), optional_operand(node, "attn_mask"),
                    node.outputs[0]};
  const bool whole = p.options().whole_heads;
  for (ValueId each : {a.query, a.key, a.value}) {
    const int64_t rank = p.rank(each);
    p.fix(each, rank - 2, "attention runs over it");
    for (int64_t dim = rank - (whole ? 4 : 3); dim >= 0; --dim) p.fix(each, dim, kHeads);
  }
  if (a.mask != kNoValue) {
    for (int64_t dim = p.rank(a.mask); dim-- > 0;) {
      if (!whole || dim != p.rank(a.mask) - 3) p.fix(a.mask, dim, "it masks attention");
    }
  }
  if (whole) return p.set(a.output, link_heads(p, a));
  link_scores(p, a);
  p.set(a.output, mixed_values(p, a));
}

}  // namespace

void add_attention_rules(Rules& rules) {
  add_rules(rules, {"aten.scaled_dot_product_attention.default"}, propagate_attention);
}

}  // namespace tinyml::analysis
