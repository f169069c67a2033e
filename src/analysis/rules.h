#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "analysis/propagation.h"

namespace tinyml::analysis {

/// Says how labels travel through one operator: reads the blocks of its operands, sets those of its outputs (unset:
/// fixed).
using Rule = std::function<void(Propagation&, const Node&)>;
using Rules = std::unordered_map<std::string, Rule>;

/// Operator name (with overload) -> rule.
const Rules& channel_rules();

// One function for each family; see the file of that name.
void add_along_rules(Rules& rules);
void add_attention_rules(Rules& rules);
void add_concat_rules(Rules& rules);
void add_convolution_rules(Rules& rules);
void add_creation_rules(Rules& rules);
void add_einsum_rules(Rules& rules);
void add_elementwise_rules(Rules& rules);
void add_index_rules(Rules& rules);
void add_matmul_rules(Rules& rules);
void add_norm_rules(Rules& rules);
void add_pad_rules(Rules& rules);
void add_permute_rules(Rules& rules);
void add_pool_rules(Rules& rules);
void add_recurrent_rules(Rules& rules);
void add_reduce_rules(Rules& rules);
void add_reorder_rules(Rules& rules);
void add_reshape_rules(Rules& rules);
void add_scatter_rules(Rules& rules);
void add_shuffle_rules(Rules& rules);
void add_slice_rules(Rules& rules);

// --- for rules
inline ValueId operand(const Node& node, size_t index = 0) { return node.args[index].value.as_value(); }
/// The value at an optional argument, kNoValue for None.
inline ValueId optional_operand(const Node& node, std::string_view name) {
  if (!node.has_arg(name) || !node.arg(name).is_value()) return kNoValue;
  return node.arg(name).as_value();
}
inline int64_t wrap_dim(int64_t dim, int64_t rank) { return dim < 0 ? dim + rank : dim; }
/// An integer or a list of integers as a list.
std::vector<int64_t> int_or_ints(const Argument& argument);
/// Dimensions 0, 1, ... of the value at `offset`, `offset` + 1, ... of a space.
Operand aligned(const Propagation& p, ValueId value, int64_t offset = 0);
/// Aligned at the end, as broadcasting does.
Operand broadcast(const Propagation& p, ValueId value, int64_t space_rank);
void add_rules(Rules& rules, std::initializer_list<const char*> ops, const Rule& rule);

}  // namespace tinyml::analysis
