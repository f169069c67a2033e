// Values looked up by index.
#include <algorithm>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kLookedUp = "it is looked up by index";

/// index(x, indices): the indexed dimensions give way to those of the indices, at the first of them if they stand
/// together, else in front. The others keep their labels.
void propagate_index(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  std::vector<int64_t> indexed;
  const std::vector<ValueId> indices = node.arg("indices").as_values();
  bool mask = false;
  for (size_t dim = 0; dim < indices.size(); ++dim) {
    if (indices[dim] == kNoValue) continue;
    const TensorType& type = p.graph().tensor_type(indices[dim]);
    mask = mask || type.type == ScalarType::kBool || type.type == ScalarType::kUInt8;
    p.fix_all(indices[dim], "it holds indices");
    indexed.push_back(static_cast<int64_t>(dim));
  }
  if (mask) return p.fix_all(input, "it is selected from by a mask");
  for (int64_t dim : indexed) {
    p.isolate(input, dim);
    p.fix(input, dim, kLookedUp);
  }
  const bool together = indexed.back() - indexed.front() + 1 == static_cast<int64_t>(indexed.size());
  const int64_t added = p.rank(output) - p.rank(input) + static_cast<int64_t>(indexed.size());
  const int64_t place = together ? indexed.front() : 0;
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    for (int64_t& dim : block.dims) {
      const auto before = std::count_if(indexed.begin(), indexed.end(), [&](int64_t each) { return each < dim; });
      dim -= static_cast<int64_t>(before);
      if (dim >= place) dim += added;
    }
  }
  p.set(output, std::move(result));
}

/// index_select(x, dim, index), gather(x, dim, index)
void propagate_index_select(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(input));
  p.fix_all(node.arg("index").as_value(), "it holds indices");
  p.isolate(input, dim);
  p.fix(input, dim, kLookedUp);
  p.copy(input, node.outputs[0], true);
}

}  // namespace

void add_index_rules(Rules& rules) {
  add_rules(rules, {"aten.index.Tensor"}, propagate_index);
  add_rules(rules, {"aten.index_select.default"}, propagate_index_select);
}

}  // namespace tinyml::analysis
