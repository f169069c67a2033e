#include <algorithm>

#include "analysis/index_space.h"
#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// Labels of the operands one after the other along `dim`. Operands whose block spans other dimensions too keep them if
/// all do alike.
Block concatenate_labels(Propagation& p, const std::vector<ValueId>& operands, int64_t dim) {
  const Block* first = block_at(p.blocks(operands[0]), dim);
  bool alike = first != nullptr && first->dims.size() > 1;
  const std::vector<int64_t> dims = alike ? first->dims : std::vector<int64_t>{dim};
  for (ValueId value : operands) {
    const Block* block = block_at(p.blocks(value), dim);
    alike = alike && block != nullptr && block->dims == dims;
  }
  Block result;
  result.dims = alike ? dims : std::vector<int64_t>{dim};
  std::vector<Block> parts;
  for (ValueId value : operands) {
    const int64_t size = p.sizes(value)[static_cast<size_t>(dim)];
    if (!alike) p.isolate(value, dim);
    const Block* block = block_at(p.blocks(value), dim);
    parts.push_back(block != nullptr ? *block
                                     : Block{{dim}, {size}, p.pinned(size, "it is joined with what cannot shrink")});
    result.zero = result.zero && parts.back().zero;
  }
  const auto position =
      static_cast<size_t>(std::find(result.dims.begin(), result.dims.end(), dim) - result.dims.begin());
  result.shape = parts[0].shape;
  result.shape[position] = 0;
  for (const Block& part : parts) result.shape[position] += part.shape[position];
  auto labels = std::make_shared<Labels>();
  const int64_t outer = Strides::of(parts[0].shape, position).outer;
  for (int64_t i = 0; i < outer; ++i) {
    for (const Block& part : parts) {
      const auto run = static_cast<std::ptrdiff_t>(part.labels->size()) / outer;
      labels->insert(labels->end(), part.labels->begin() + i * run, part.labels->begin() + (i + 1) * run);
    }
  }
  result.labels = std::move(labels);
  return result;
}

void propagate_cat(Propagation& p, const Node& node) {
  const ValueId output = node.outputs[0];
  std::vector<ValueId> operands;
  for (ValueId value : node.args[0].value.as_values()) {
    if (p.rank(value) == p.rank(output)) operands.push_back(value);  // torch lets empty vectors of rank 1 take part.
  }
  const int64_t dim = wrap_dim(node.args[1].value.as_int(), p.rank(output));
  bool labelled = false;
  for (ValueId value : operands) labelled = labelled || block_at(p.blocks(value), dim) != nullptr;
  Blocks result;
  std::vector<int64_t> taken{dim};
  if (labelled && p.sizes(output)[static_cast<size_t>(dim)] > 1) {
    result.push_back(concatenate_labels(p, operands, dim));
    taken = result[0].dims;
  }
  // The other dimensions lose the same indices in all operands.
  std::vector<int64_t> space = p.sizes(output);
  std::vector<Operand> others;
  for (ValueId value : operands) {
    others.push_back(aligned(p, value));
    for (int64_t d : taken) others.back().dims[static_cast<size_t>(d)] = -1;
  }
  if (taken.size() > 1) {
    // Outer dimensions of a joint block: unite what is there through the part each operand has.
    const Block* first = block_at(p.blocks(operands[0]), dim);
    TINYML_CHECK(first != nullptr);
    p.require_rectangle(result[0].shape, std::vector<bool>(result[0].shape.size(), false), result[0].labels);
  }
  for (Block& block : p.join(others, space, ZeroRule::kAll)) result.push_back(std::move(block));
  p.set(output, std::move(result));
}

void propagate_stack(Propagation& p, const Node& node) {
  const ValueId output = node.outputs[0];
  const std::vector<ValueId> values = node.args[0].value.as_values();
  const int64_t dim = wrap_dim(node.args[1].value.as_int(), p.rank(output));
  std::vector<Operand> operands;
  for (ValueId value : values) {
    operands.push_back(aligned(p, value));
    for (int64_t& d : operands.back().dims) d += d >= dim ? 1 : 0;
  }
  p.set(output, p.join(operands, p.sizes(output), ZeroRule::kAll));
}

}  // namespace

void add_concat_rules(Rules& rules) {
  add_rules(rules, {"aten.cat.default", "aten.concat.default", "aten.concatenate.default"}, propagate_cat);
  add_rules(rules, {"aten.stack.default"}, propagate_stack);
}

}  // namespace tinyml::analysis
