// Indices in another order, or in pairs.
#include <algorithm>
#include <numeric>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// flip(x, dims): the last comes first.
void propagate_flip(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    for (int64_t dim : int_or_ints(node.arg("dims"))) {
      dim = wrap_dim(dim, p.rank(input));
      if (std::find(block.dims.begin(), block.dims.end(), dim) == block.dims.end()) continue;
      std::vector<int64_t> indices(static_cast<size_t>(p.sizes(input)[static_cast<size_t>(dim)]));
      std::iota(indices.rbegin(), indices.rend(), int64_t{0});
      block = take_indices(block, dim, indices);
    }
  }
  p.set(node.outputs[0], std::move(result));
}

/// roll(x, shifts, dims): how far it goes depends on the size.
void propagate_roll(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  const std::vector<int64_t> dims = int_or_ints(node.arg("dims"));
  const char* why = "it is rolled by a number of indices";
  if (dims.empty()) p.fix_all(input, why);
  for (int64_t dim : dims) {
    dim = wrap_dim(dim, p.rank(input));
    p.isolate(input, dim);
    p.fix(input, dim, why);
  }
  p.copy(input, node.outputs[0], true);
}

/// glu(x, dim): the first half times a gate of the second, index by index.
void propagate_glu(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(input));
  p.isolate(input, dim);
  Blocks result = p.blocks(input);
  const int64_t half = p.sizes(output)[static_cast<size_t>(dim)];
  for (Block& block : result) {
    if (block.dims[0] != dim) continue;
    for (int64_t i = 0; i < half; ++i) {
      p.labels().unite((*block.labels)[static_cast<size_t>(i)], (*block.labels)[static_cast<size_t>(half + i)]);
    }
    block.labels = std::make_shared<Labels>(block.labels->begin(), block.labels->begin() + half);
    block.shape[0] = half;
    if (half == 1) p.pin(block.labels, "it is the only channel left");
  }
  std::erase_if(result, [](const Block& block) { return block.shape[0] < 2; });
  p.set(output, std::move(result));
}

}  // namespace

void add_reorder_rules(Rules& rules) {
  add_rules(rules, {"aten.flip.default"}, propagate_flip);
  add_rules(rules, {"aten.roll.default"}, propagate_roll);
  add_rules(rules, {"aten.glu.default"}, propagate_glu);
}

}  // namespace tinyml::analysis
