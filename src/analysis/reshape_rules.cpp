#include <algorithm>
#include <set>

#include "analysis/index_space.h"
#include "analysis/rules.h"
#include "tinyml/axis_groups.h"

namespace tinyml::analysis {
namespace {

std::vector<size_t> groups_of(const std::vector<AxisGroup>& groups, const Block& block) {
  std::vector<size_t> result;
  for (size_t i = 0; i < groups.size(); ++i) {
    for (int64_t dim : block.dims) {
      const auto& inputs = groups[i].inputs;
      if (std::find(inputs.begin(), inputs.end(), dim) != inputs.end()) {
        result.push_back(i);
        break;
      }
    }
  }
  return result;
}

/// Labels over all input axes of the block's groups, seen as an array over their output axes.
Block reshape_block(const Block& block, const std::vector<AxisGroup>& groups, const std::vector<size_t>& own,
                    const std::vector<int64_t>& in_sizes, const std::vector<int64_t>& out_sizes) {
  std::vector<int64_t> in_shape;
  std::vector<size_t> positions;
  Block result;
  result.zero = block.zero;
  for (size_t group : own) {
    for (int64_t dim : groups[group].inputs) {
      if (std::find(block.dims.begin(), block.dims.end(), dim) != block.dims.end())
        positions.push_back(in_shape.size());
      in_shape.push_back(in_sizes[static_cast<size_t>(dim)]);
    }
    for (int64_t dim : groups[group].outputs) {
      result.dims.push_back(dim);
      result.shape.push_back(out_sizes[static_cast<size_t>(dim)]);
    }
  }
  if (positions.size() == in_shape.size()) {
    result.labels = block.labels;
    return result;
  }
  auto labels = std::make_shared<Labels>();
  for (size_t index : project(in_shape, positions)) labels->push_back((*block.labels)[index]);
  result.labels = std::move(labels);
  return result;
}

void propagate_reshape(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const std::vector<int64_t> in_sizes = p.sizes(input), out_sizes = p.sizes(output);
  const std::vector<AxisGroup> groups = find_axis_groups(in_sizes, out_sizes);
  Blocks blocks = p.blocks(input);

  // A group takes labels from one block at most: the innermost; the dimensions of others are fixed.
  for (bool again = true; again;) {
    again = false;
    std::vector<const Block*> owner(groups.size(), nullptr);
    for (const Block& block : blocks) {
      for (size_t group : groups_of(groups, block)) {
        const Block*& first = owner[group];
        if (first == nullptr) {
          first = &block;
          continue;
        }
        const Block& outer = first->dims.back() < block.dims.back() ? *first : block;
        p.fix(blocks, outer.dims.back(), "it is merged with another dimension that can shrink");
        again = true;
        break;
      }
      if (again) break;
    }
  }
  Blocks result;
  for (const Block& block : blocks) {
    const std::vector<size_t> own = groups_of(groups, block);
    Block reshaped = reshape_block(block, groups, own, in_sizes, out_sizes);
    simplify(reshaped, p.labels());
    if (reshaped.dims.size() > 1 && reshaped.shape != block.shape) {
      p.require_rectangle(reshaped.shape, std::vector<bool>(reshaped.shape.size(), false), reshaped.labels);
    }
    result.push_back(std::move(reshaped));
  }
  p.set(output, std::move(result));
}

/// Dimensions of size 1 that become larger repeat what is there, as many times as what they are combined with has
/// indices.
void propagate_expand(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t offset = p.rank(output) - p.rank(input);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    for (int64_t& dim : block.dims) dim += offset;
  }
  for (int64_t dim = 0; dim < p.rank(output); ++dim) {
    const int64_t size = p.sizes(output)[static_cast<size_t>(dim)];
    const int64_t before = dim < offset ? 1 : p.sizes(input)[static_cast<size_t>(dim - offset)];
    if (size > 1 && before == 1) result.push_back({{dim}, {size}, p.labels().fresh(size), false});
  }
  p.set(output, std::move(result));
}

/// The indices 0 to `size`, `times` times over.
std::vector<int64_t> repeated_indices(int64_t size, int64_t times) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < size * times; ++i) indices.push_back(i % size);
  return indices;
}

/// repeat(x, repeats): each dimension's labels come several times over.
void propagate_repeat(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  std::vector<int64_t> repeats = node.args[1].value.as_ints();
  while (static_cast<int64_t>(repeats.size()) < p.rank(output)) repeats.insert(repeats.begin(), 1);
  const int64_t offset = p.rank(output) - p.rank(input);
  Blocks result;
  for (Block block : p.blocks(input)) {
    for (int64_t dim : std::vector<int64_t>(block.dims)) {
      const int64_t count = repeats[static_cast<size_t>(dim + offset)];
      if (count > 1)
        block = take_indices(block, dim, repeated_indices(p.sizes(input)[static_cast<size_t>(dim)], count));
    }
    for (int64_t& dim : block.dims) dim += offset;
    result.push_back(std::move(block));
  }
  p.set(output, std::move(result));
}

/// repeat_interleave(x, n, dim): each index comes n times in a row.
void propagate_repeat_interleave(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  if (node.arg("dim").is_none()) {
    p.fix_all(input, "repeat_interleave flattens it");
    return;
  }
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(input));
  const int64_t count = node.arg("repeats").as_int();
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < p.sizes(output)[static_cast<size_t>(dim)]; ++i) indices.push_back(i / count);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    if (std::find(block.dims.begin(), block.dims.end(), dim) != block.dims.end())
      block = take_indices(block, dim, indices);
  }
  p.set(output, std::move(result));
}

}  // namespace

void add_reshape_rules(Rules& rules) {
  add_rules(rules,
            {"aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.flatten.using_ints",
             "aten.unflatten.int", "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
             "aten.unsqueeze.default", "aten.view_as.default", "aten.reshape_as.default"},
            propagate_reshape);
  add_rules(rules, {"aten.expand.default", "aten.expand_as.default", "aten.broadcast_to.default"}, propagate_expand);
  add_rules(rules, {"aten.repeat.default", "aten.tile.default"}, propagate_repeat);
  add_rules(rules, {"aten.repeat_interleave.self_int"}, propagate_repeat_interleave);
}

}  // namespace tinyml::analysis
