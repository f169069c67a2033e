#include "analysis/rules.h"

namespace tinyml::analysis {

const Rules& channel_rules() {
  static const Rules rules = [] {
    Rules all;
    add_along_rules(all);
    add_attention_rules(all);
    add_concat_rules(all);
    add_convolution_rules(all);
    add_creation_rules(all);
    add_einsum_rules(all);
    add_elementwise_rules(all);
    add_index_rules(all);
    add_matmul_rules(all);
    add_norm_rules(all);
    add_pad_rules(all);
    add_permute_rules(all);
    add_pool_rules(all);
    add_recurrent_rules(all);
    add_reduce_rules(all);
    add_reorder_rules(all);
    add_reshape_rules(all);
    add_scatter_rules(all);
    add_shuffle_rules(all);
    add_slice_rules(all);
    return all;
  }();
  return rules;
}

std::vector<int64_t> int_or_ints(const Argument& argument) {
  if (argument.is_none()) return {};
  if (argument.is_list()) return argument.as_ints();
  return {argument.as_int()};
}

Operand aligned(const Propagation& p, ValueId value, int64_t offset) {
  Operand result{value, {}};
  for (int64_t dim = 0; dim < p.rank(value); ++dim) result.dims.push_back(dim + offset);
  return result;
}

Operand broadcast(const Propagation& p, ValueId value, int64_t space_rank) {
  return aligned(p, value, space_rank - p.rank(value));
}

void add_rules(Rules& rules, std::initializer_list<const char*> ops, const Rule& rule) {
  for (const char* op : ops) TINYML_CHECK(rules.emplace(op, rule).second);
}

}  // namespace tinyml::analysis
