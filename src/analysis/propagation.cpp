#include "analysis/propagation.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "analysis/index_space.h"

namespace tinyml::analysis {
namespace {

/// What is left of the block when only index 0 of `position` is looked at.
Block without_dim(const Block& block, size_t position) {
  const Strides strides = Strides::of(block.shape, position);
  Block result;
  result.zero = block.zero;
  result.dims = block.dims;
  result.shape = block.shape;
  result.dims.erase(result.dims.begin() + static_cast<std::ptrdiff_t>(position));
  result.shape.erase(result.shape.begin() + static_cast<std::ptrdiff_t>(position));
  auto labels = std::make_shared<Labels>();
  labels->reserve(block.labels->size() / static_cast<size_t>(strides.size));
  for (int64_t outer = 0; outer < strides.outer; ++outer) {
    for (int64_t inner = 0; inner < strides.inner; ++inner) {
      labels->push_back((*block.labels)[static_cast<size_t>(outer * strides.size * strides.inner + inner)]);
    }
  }
  result.labels = std::move(labels);
  return result;
}

bool is_constant_along(const LabelSpace& space, const Labels& labels, const Strides& strides) {
  for (int64_t outer = 0; outer < strides.outer; ++outer) {
    for (int64_t inner = 0; inner < strides.inner; ++inner) {
      const int64_t start = outer * strides.size * strides.inner + inner;
      const Label first = space.find(labels[static_cast<size_t>(start)]);
      for (int64_t i = 1; i < strides.size; ++i) {
        if (space.find(labels[static_cast<size_t>(start + i * strides.inner)]) != first) return false;
      }
    }
  }
  return true;
}

void unite_along(LabelSpace& space, const Labels& labels, const Strides& strides) {
  for (int64_t outer = 0; outer < strides.outer; ++outer) {
    for (int64_t inner = 0; inner < strides.inner; ++inner) {
      const int64_t start = outer * strides.size * strides.inner + inner;
      for (int64_t i = 1; i < strides.size; ++i) {
        space.unite(labels[static_cast<size_t>(start)], labels[static_cast<size_t>(start + i * strides.inner)]);
      }
    }
  }
}

}  // namespace

void simplify(Block& block, const LabelSpace& labels) {
  for (size_t i = block.dims.size(); i-- > 0 && block.dims.size() > 1;) {
    if (is_constant_along(labels, *block.labels, Strides::of(block.shape, i))) block = without_dim(block, i);
  }
}

Block take_indices(const Block& block, int64_t dim, const std::vector<int64_t>& indices) {
  const auto position = static_cast<size_t>(std::find(block.dims.begin(), block.dims.end(), dim) - block.dims.begin());
  const Strides strides = Strides::of(block.shape, position);
  Block result = block;
  result.shape[position] = static_cast<int64_t>(indices.size());
  auto labels = std::make_shared<Labels>();
  labels->reserve(static_cast<size_t>(strides.outer * strides.inner) * indices.size());
  for (int64_t outer = 0; outer < strides.outer; ++outer) {
    for (int64_t index : indices) {
      const auto first = block.labels->begin() + (outer * strides.size + index) * strides.inner;
      labels->insert(labels->end(), first, first + strides.inner);
    }
  }
  result.labels = std::move(labels);
  return result;
}

const Block* block_at(const Blocks& blocks, int64_t dim) {
  for (const Block& block : blocks) {
    if (std::find(block.dims.begin(), block.dims.end(), dim) != block.dims.end()) return &block;
  }
  return nullptr;
}

Propagation::Propagation(const Graph& graph, const DependencyOptions& options)
    : graph_(graph),
      options_(options),
      sizes_(graph.value_limit()),
      canonical_(graph.value_limit()),
      blocks_(graph.value_limit()) {
  for (size_t i = 0; i < canonical_.size(); ++i) canonical_[i] = ValueId{static_cast<uint32_t>(i)};
  std::map<std::tuple<const std::byte*, int64_t, std::vector<int64_t>, std::vector<int64_t>>, ValueId> seen;
  for (const Binding& binding : graph.bindings()) {
    const Tensor& data = binding.data;
    if (data.defined() && data.numel() > 0) {
      const auto key = std::tuple(data.storage().data(), data.offset(), data.shape(), data.strides());
      canonical_[index_of(binding.value)] = seen.emplace(key, binding.value).first->second;
    }
    if (canonical(binding.value) != binding.value) continue;
    BindingState& state = bindings_[binding.value];
    state.touched.assign(sizes(binding.value).size(), false);
    state.roles.assign(sizes(binding.value).size(), AxisRole::kFollower);
    state.maskable.assign(sizes(binding.value).size(), true);
    state.fixed.resize(sizes(binding.value).size());
    for (size_t dim = 0; dim < state.touched.size(); ++dim) state.touched[dim] = sizes(binding.value)[dim] <= 1;
  }
}

const std::vector<int64_t>& Propagation::sizes(ValueId value) const {
  std::vector<int64_t>& sizes = sizes_[index_of(value)];
  if (sizes.empty()) sizes = graph_.tensor_type(value).sizes();
  return sizes;
}

bool Propagation::is_untouched(ValueId value, int64_t dim) const {
  const auto state = bindings_.find(canonical(value));
  return state != bindings_.end() && !state->second.touched[static_cast<size_t>(dim)];
}

void Propagation::touch(ValueId value, int64_t dim, LabelList labels) {
  value = canonical(value);
  bindings_.at(value).touched[static_cast<size_t>(dim)] = true;
  if (labels == nullptr) return;
  const int64_t size = static_cast<int64_t>(labels->size());
  blocks_[index_of(value)].push_back(
      {{dim}, {size}, std::move(labels), bindings_.at(value).maskable[static_cast<size_t>(dim)]});
}

const Blocks& Propagation::blocks(ValueId value) {
  value = canonical(value);
  if (const auto state = bindings_.find(value); state != bindings_.end()) {
    for (int64_t dim = 0; dim < rank(value); ++dim) {
      if (is_untouched(value, dim)) touch(value, dim, labels_.fresh(sizes(value)[static_cast<size_t>(dim)]));
    }
    if (state->second.groups > 1) fix(value, 1, "a grouped weight is used in another way as well");
  }
  return blocks_[index_of(value)];
}

void Propagation::set(ValueId value, Blocks blocks) {
  for (Block& block : blocks) {
    TINYML_CHECK(std::is_sorted(block.dims.begin(), block.dims.end()));
    for (size_t i = 0; i < block.dims.size(); ++i) {
      TINYML_CHECK(block.shape[i] == sizes(value)[static_cast<size_t>(block.dims[i])]);
    }
  }
  blocks_[index_of(canonical(value))] = std::move(blocks);
}

void Propagation::copy(ValueId from, ValueId to, bool keeps_zero) {
  Blocks result = blocks(from);
  for (Block& block : result) block.zero = block.zero && keeps_zero;
  set(to, std::move(result));
}

Block* Propagation::find(Blocks& blocks, int64_t dim) {
  for (Block& block : blocks) {
    if (std::find(block.dims.begin(), block.dims.end(), dim) != block.dims.end()) return &block;
  }
  return nullptr;
}

void Propagation::fix(Blocks& blocks, int64_t dim, const std::string& why) {
  Block* block = find(blocks, dim);
  if (block == nullptr) return;
  const auto position =
      static_cast<size_t>(std::find(block->dims.begin(), block->dims.end(), dim) - block->dims.begin());
  if (block->dims.size() == 1) {
    pin(block->labels, why);
    blocks.erase(blocks.begin() + (block - blocks.data()));
  } else if (position + 1 == block->dims.size()) {
    unite_along(labels_, *block->labels, Strides::of(block->shape, position));
    *block = without_dim(*block, position);
  } else {
    std::vector<bool> fixed(block->dims.size(), false);
    fixed[position] = true;
    require_rectangle(block->shape, std::move(fixed), block->labels);
  }
}

void Propagation::fix(ValueId value, int64_t dim, const std::string& why) {
  value = canonical(value);
  fixed_.emplace(std::pair(value, dim), why);
  if (const auto state = bindings_.find(value); state != bindings_.end()) {
    auto& fixed = state->second.fixed[static_cast<size_t>(dim)];
    if (!fixed) fixed = PinReason{node_, why};
  }
  if (is_untouched(value, dim)) return touch(value, dim, nullptr);
  if (const auto state = bindings_.find(value); state != bindings_.end() && state->second.groups > 1 && dim == 1) {
    if (state->second.grouped != nullptr) pin(state->second.grouped, why);
    state->second.grouped = nullptr;
    return;
  }
  fix(blocks_[index_of(value)], dim, why);
}

void Propagation::fix_all(ValueId value, const std::string& why) {
  for (int64_t dim = rank(value); dim-- > 0;) fix(value, dim, why);
  // A joint block may remain: its outer dimensions are fixed now, the inner one was united.
  value = canonical(value);
  Blocks& rest = blocks_[index_of(value)];
  for (const Block& block : rest) pin(block.labels, why);
  rest.clear();
}

LabelList Propagation::isolate(Blocks& blocks, int64_t dim) {
  Block* block = find(blocks, dim);
  if (block == nullptr) return nullptr;
  while (block->dims.size() > 1) {
    const size_t position = block->dims.back() == dim ? block->dims.size() - 2 : block->dims.size() - 1;
    unite_along(labels_, *block->labels, Strides::of(block->shape, position));
    *block = without_dim(*block, position);
  }
  return block->labels;
}

LabelList Propagation::isolate(ValueId value, int64_t dim) {
  value = canonical(value);
  if (is_untouched(value, dim)) touch(value, dim, labels_.fresh(sizes(value)[static_cast<size_t>(dim)]));
  return isolate(blocks_[index_of(value)], dim);
}

bool Propagation::link(const LabelList& labels, ValueId b, int64_t b_dim, const std::string& why) {
  if (labels == nullptr) {
    fix(b, b_dim, why);
    return false;
  }
  if (is_untouched(b, b_dim)) {
    touch(b, b_dim, labels);
    return true;
  }
  const LabelList other = isolate(b, b_dim);
  if (other == nullptr) {
    pin(labels, why);
    return false;
  }
  labels_.unite(labels, other);
  return true;
}

bool Propagation::link(ValueId a, int64_t a_dim, ValueId b, int64_t b_dim, const std::string& why) {
  const LabelList labels = isolate(a, a_dim);
  const bool linked = link(labels, b, b_dim, why);
  if (!linked) fix(a, a_dim, why);
  return linked;
}

void Propagation::require_rectangle(std::vector<int64_t> shape, std::vector<bool> fixed, LabelList labels) {
  rectangles_.push_back({std::move(shape), std::move(fixed), std::move(labels), node_});
}

LabelList Propagation::pinned(int64_t count, const std::string& why) {
  LabelList labels = labels_.fresh(count);
  pin(labels, why);
  return labels;
}

LabelList Propagation::unite_runs(const LabelList& labels, int64_t length) {
  const auto size = static_cast<int64_t>(labels->size());
  TINYML_CHECK(length > 0 && size % length == 0);
  unite_along(labels_, *labels, {size / length, length, 1});
  auto result = std::make_shared<Labels>();
  for (int64_t i = 0; i < size; i += length) result->push_back((*labels)[static_cast<size_t>(i)]);
  return result;
}

void Propagation::set_role(ValueId value, int64_t dim, AxisRole role) {
  const auto state = bindings_.find(canonical(value));
  if (state != bindings_.end()) state->second.roles[static_cast<size_t>(dim)] = role;
}

void Propagation::set_maskable(ValueId value, int64_t dim, bool maskable) {
  const auto state = bindings_.find(canonical(value));
  if (state == bindings_.end()) return;
  state->second.maskable[static_cast<size_t>(dim)] = state->second.maskable[static_cast<size_t>(dim)] && maskable;
  Block* block = find(blocks_[index_of(canonical(value))], dim);
  if (block != nullptr) block->zero = block->zero && maskable;
}

void Propagation::set_maskable(ValueId value, bool maskable) {
  for (int64_t dim = 0; dim < rank(value); ++dim) set_maskable(value, dim, maskable);
}

void Propagation::set_grouped(ValueId weight, int64_t groups, LabelList labels, AxisRole role) {
  BindingState& state = bindings_.at(canonical(weight));
  const bool first = state.groups == 1 && !state.touched[1];
  if (first || (state.groups == 1 && sizes(weight)[1] == 1 && state.grouped == nullptr)) {
    state.touched[1] = true;
    state.groups = groups;
    state.grouped = std::move(labels);
    state.roles[1] = role;
    return;
  }
  if (state.groups == groups && state.grouped != nullptr && labels != nullptr) {
    labels_.unite(state.grouped, labels);
    return;
  }
  const std::string why = "a grouped weight is shared by layers that group its channels differently";
  if (labels != nullptr) pin(labels, why);
  fix(weight, 1, why);
}

bool Propagation::settle(Rectangle& rectangle) {
  bool changed = false;
  while (rectangle.shape.size() > 1) {
    const size_t last = rectangle.shape.size() - 1;
    const Strides strides = Strides::of(rectangle.shape, last);
    if (!is_constant_along(labels_, *rectangle.labels, strides)) {
      if (!rectangle.fixed[last]) return changed;
      unite_along(labels_, *rectangle.labels, strides);
      changed = true;
    }
    Block block{std::vector<int64_t>(rectangle.shape.size()), rectangle.shape, rectangle.labels};
    block = without_dim(block, last);
    rectangle.shape = block.shape;
    rectangle.labels = block.labels;
    rectangle.fixed.pop_back();
  }
  if (rectangle.fixed[0]) {
    node_ = rectangle.node;
    for (Label label : *rectangle.labels) {
      if (labels_.pinned(label) == nullptr) {
        labels_.pin(label, reason("its outer dimension must keep its size"));
        changed = true;
      }
    }
  }
  return changed;
}

void Propagation::settle() {
  bool changed = true;
  while (changed) {
    changed = false;
    for (Rectangle& rectangle : rectangles_) changed = settle(rectangle) || changed;
  }
  std::erase_if(rectangles_, [](const Rectangle& rectangle) { return rectangle.shape.size() < 2; });
}

}  // namespace tinyml::analysis
