#include <algorithm>

#include "analysis/index_space.h"
#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// Indices [start, start + count) of `dim`, with the block's other dimensions whole.
Block slice_block(const Block& block, int64_t dim, int64_t start, int64_t count) {
  const auto position = static_cast<size_t>(std::find(block.dims.begin(), block.dims.end(), dim) - block.dims.begin());
  const Strides strides = Strides::of(block.shape, position);
  Block result = block;
  result.shape[position] = count;
  auto labels = std::make_shared<Labels>();
  for (int64_t outer = 0; outer < strides.outer; ++outer) {
    const auto first = block.labels->begin() + (outer * strides.size + start) * strides.inner;
    labels->insert(labels->end(), first, first + count * strides.inner);
  }
  result.labels = std::move(labels);
  return result;
}

/// One index of `dim`, which disappears.
Block select_block(const Block& block, int64_t dim, int64_t index) {
  Block result = slice_block(block, dim, index, 1);
  const auto position = std::find(result.dims.begin(), result.dims.end(), dim) - result.dims.begin();
  result.dims.erase(result.dims.begin() + position);
  result.shape.erase(result.shape.begin() + position);
  return result;
}

/// A piece of a value along one dimension.
struct Piece {
  ValueId output;
  int64_t start;
  int64_t count;
};

/// Cuts a value into pieces along `dim`. Of a joint block every piece must stay a rectangle; a piece with one index
/// keeps it.
void propagate_pieces(Propagation& p, ValueId input, int64_t dim, const std::vector<Piece>& pieces) {
  if (const Block* block = block_at(p.blocks(input), dim); block != nullptr && block->dims.size() > 1) {
    for (const Piece& piece : pieces) {
      if (piece.count < 2) p.isolate(input, dim);
    }
  }
  for (const Piece& piece : pieces) {
    if (piece.count == 0) continue;
    Blocks result;
    for (const Block& block : Blocks(p.blocks(input))) {
      if (std::find(block.dims.begin(), block.dims.end(), dim) == block.dims.end()) {
        if (piece.output != kNoValue) result.push_back(block);
        continue;
      }
      Block part = slice_block(block, dim, piece.start, piece.count);
      if (piece.count == 1) {
        p.pin(part.labels, "it is taken out by its index");
        continue;
      }
      if (part.dims.size() > 1)
        p.require_rectangle(part.shape, std::vector<bool>(part.shape.size(), false), part.labels);
      result.push_back(std::move(part));
    }
    if (piece.output != kNoValue) p.set(piece.output, std::move(result));
  }
}

/// Pieces one after the other. If `equal`, the operator makes them equal, so they must stay so.
void propagate_split(Propagation& p, const Node& node, int64_t dim, bool equal) {
  const ValueId input = operand(node);
  std::vector<Piece> pieces;
  int64_t start = 0;
  bool same = true;
  for (ValueId output : node.outputs) {
    const int64_t count = p.sizes(output)[static_cast<size_t>(dim)];
    pieces.push_back({output, start, count});
    start += count;
    same = same && count == pieces[0].count;
  }
  if (equal && same && pieces.size() > 1 && pieces[0].count > 1) {
    const Block* block = block_at(p.blocks(input), dim);
    if (block != nullptr && block->dims.back() != dim) {
      p.isolate(input, dim);
      block = block_at(p.known_blocks(input), dim);
    }
    if (block != nullptr) {
      std::vector<int64_t> shape = block->shape;
      shape.back() = static_cast<int64_t>(pieces.size());
      shape.push_back(pieces[0].count);
      std::vector<bool> fixed(shape.size(), false);
      fixed[shape.size() - 2] = true;
      p.require_rectangle(std::move(shape), std::move(fixed), block->labels);
    }
  }
  propagate_pieces(p, input, dim, pieces);
}

int64_t dim_argument(const Propagation& p, const Node& node) {
  return wrap_dim(node.arg("dim").as_int(), p.rank(operand(node)));
}

void propagate_slice(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t dim = dim_argument(p, node);
  const int64_t size = p.sizes(input)[static_cast<size_t>(dim)];
  const int64_t count = p.sizes(output)[static_cast<size_t>(dim)];
  const bool is_narrow = node.op == "aten.narrow.default";
  const int64_t step = is_narrow ? 1 : node.arg("step").as_int();
  const Argument& begin = node.arg("start");
  if (count == size) return p.copy(input, output, true);
  if (begin.is_value() || (!is_narrow && node.arg("end").is_value())) {
    p.fix(input, dim, "it is sliced at places computed at run time");
    return p.copy(input, output, true);
  }
  int64_t start = begin.is_none() ? 0 : begin.as_int();
  start = std::clamp<int64_t>(start < 0 ? start + size : start, 0, size);
  if (step == 1)
    return propagate_pieces(
        p, input, dim, {{kNoValue, 0, start}, {output, start, count}, {kNoValue, start + count, size - start - count}});
  // One index is a piece of its own.
  if (count <= 1) return propagate_pieces(p, input, dim, {{output, start, count}});
  // Every step-th index: a run of `step` goes as a whole, so that the others stay where they are looked for. Runs begin
  // at multiples of the step, so that slices with other starts ask for the same ones.
  p.isolate(input, dim);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    if (block.dims[0] != dim) continue;
    std::vector<int64_t> taken;
    for (int64_t i = 0; i < count; ++i) {
      taken.push_back(start + i * step);
      const int64_t run = taken.back() - start % step;
      for (int64_t j = run; j < std::min(run + step, size); ++j) {
        p.labels().unite((*block.labels)[static_cast<size_t>(run)], (*block.labels)[static_cast<size_t>(j)]);
      }
    }
    block = take_indices(block, dim, taken);
  }
  p.set(output, std::move(result));
}

/// Outputs without the dimension, one for each listed index.
void propagate_select(Propagation& p, ValueId input, int64_t dim,
                      const std::vector<std::pair<ValueId, int64_t>>& outputs) {
  const Block* at = block_at(p.blocks(input), dim);
  if (at != nullptr && at->dims.size() > 1 && at->dims.back() == dim) p.isolate(input, dim);
  at = block_at(p.blocks(input), dim);
  if (at != nullptr && at->dims.size() > 1) p.fix(input, dim, "it is taken out by its index");
  for (const auto& [output, index] : outputs) {
    Blocks result;
    for (Block block : p.blocks(input)) {
      if (std::find(block.dims.begin(), block.dims.end(), dim) != block.dims.end()) {
        if (block.dims.size() == 1) {
          p.pin(slice_block(block, dim, index, 1).labels, "it is taken out by its index");
          continue;
        }
        block = select_block(block, dim, index);
        if (block.dims.size() > 1) {
          p.require_rectangle(block.shape, std::vector<bool>(block.shape.size(), false), block.labels);
        }
      }
      for (int64_t& d : block.dims) d -= d > dim ? 1 : 0;
      result.push_back(std::move(block));
    }
    p.set(output, std::move(result));
  }
}

}  // namespace

void add_slice_rules(Rules& rules) {
  add_rules(rules, {"aten.split.Tensor", "aten.chunk.default", "aten.unsafe_split.Tensor", "aten.unsafe_chunk.default"},
            [](Propagation& p, const Node& node) { propagate_split(p, node, dim_argument(p, node), true); });
  add_rules(rules,
            {"aten.split_with_sizes.default", "aten.split.sizes", "aten.unsafe_split_with_sizes.default",
             "aten.tensor_split.sections", "aten.tensor_split.indices"},
            [](Propagation& p, const Node& node) { propagate_split(p, node, dim_argument(p, node), false); });
  add_rules(rules, {"aten.slice.Tensor", "aten.narrow.default"}, propagate_slice);
  add_rules(rules, {"aten.select.int"}, [](Propagation& p, const Node& node) {
    const int64_t dim = dim_argument(p, node);
    const int64_t size = p.sizes(operand(node))[static_cast<size_t>(dim)];
    if (!node.arg("index").is_int()) return p.fix_all(operand(node), "it is indexed at a place computed at run time");
    propagate_select(p, operand(node), dim, {{node.outputs[0], wrap_dim(node.arg("index").as_int(), size)}});
  });
  add_rules(rules, {"aten.unbind.int"}, [](Propagation& p, const Node& node) {
    std::vector<std::pair<ValueId, int64_t>> outputs;
    for (size_t i = 0; i < node.outputs.size(); ++i) outputs.emplace_back(node.outputs[i], static_cast<int64_t>(i));
    const int64_t dim = dim_argument(p, node);
    const int64_t rank = p.rank(operand(node));
    for (int64_t i = 0; i < rank; ++i) {
      if (i == dim) p.fix(operand(node), dim, "it is taken apart index by index");
    }
    propagate_select(p, operand(node), dim, outputs);
  });
}

}  // namespace tinyml::analysis
