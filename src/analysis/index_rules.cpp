// Values looked up by index.
#include <algorithm>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kLookedUp = "it is looked up by index";

/// Indices that the model holds as one vector of integers, for this operator alone; empty otherwise. Only these can be
/// renumbered when what they look up shrinks.
std::vector<int64_t> held_indices(const Propagation& p, ValueId index, int64_t size) {
  const Binding* binding = p.graph().binding_of(index);
  if (binding == nullptr || binding->kind == BindingKind::kParameter || !is_integral(binding->data.type()) ||
      binding->data.rank() != 1 || !p.is_untouched(index, 0)) {
    return {};
  }
  const Tensor data = binding->data.to(ScalarType::kInt64);
  std::vector<int64_t> indices(data.data<int64_t>().begin(), data.data<int64_t>().end());
  for (int64_t& each : indices) each = wrap_dim(each, size);
  const bool inside = std::all_of(indices.begin(), indices.end(), [&](int64_t i) { return i >= 0 && i < size; });
  return inside ? indices : std::vector<int64_t>{};
}

/// Looks up channels of an activation by indices that the model holds: the indices of what goes, go as well. False
/// where that is not the case.
bool propagate_held_indices(Propagation& p, const Node& node, int64_t dim, ValueId index) {
  const ValueId input = operand(node);
  if (p.is_binding(input)) return false;
  const std::vector<int64_t> indices = held_indices(p, index, p.sizes(input)[static_cast<size_t>(dim)]);
  if (indices.size() < 2 || p.isolate(input, dim) == nullptr) return false;
  p.set_maskable(index, false);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    if (block.dims[0] != dim) continue;
    block = take_indices(block, dim, indices);
    p.link(block.labels, index, 0, kLookedUp);
  }
  p.set(node.outputs[0], std::move(result));
  return true;
}

/// index(x, indices): the indexed dimensions give way to those of the indices, at the first of them if they stand
/// together, else in front. The others keep their labels.
void propagate_index(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  std::vector<int64_t> indexed;
  const std::vector<ValueId> indices = node.arg("indices").as_values();
  const auto given = [](ValueId value) { return value != kNoValue; };
  if (std::count_if(indices.begin(), indices.end(), given) == 1) {
    const auto only = std::find_if(indices.begin(), indices.end(), given);
    if (propagate_held_indices(p, node, only - indices.begin(), *only)) return;
  }
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

/// index_select(x, dim, index)
void propagate_index_select(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(input));
  if (propagate_held_indices(p, node, dim, node.arg("index").as_value())) return;
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
