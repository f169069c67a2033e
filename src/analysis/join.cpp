#include <algorithm>

#include "analysis/index_space.h"
#include "analysis/propagation.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kMeetsFixed = "it meets a dimension that cannot shrink";

std::vector<int64_t> in_space(const Operand& operand, const Block& block) {
  std::vector<int64_t> dims;
  for (int64_t dim : block.dims) dims.push_back(operand.dims[static_cast<size_t>(dim)]);
  return dims;
}

/// Sets of dimensions that some operand's block spans, transitively: representative of each dimension.
class DimSets {
 public:
  explicit DimSets(size_t count) : parents_(count) {
    for (size_t i = 0; i < count; ++i) parents_[i] = i;
  }
  size_t find(size_t dim) const {
    while (parents_[dim] != dim) dim = parents_[dim];
    return dim;
  }
  void unite(size_t a, size_t b) { parents_[find(a)] = find(b); }

 private:
  std::vector<size_t> parents_;
};

}  // namespace

std::string Propagation::meets_fixed(ValueId value, int64_t dim) const {
  constexpr int kFarthest = 8;  // Operators to look back; what they made has the labels of what they read.
  for (int i = 0; i < kFarthest; ++i) {
    const auto known = fixed_.find(std::pair(canonical(value), dim));
    if (known != fixed_.end()) {
      return known->second.starts_with(kMeetsFixed) ? known->second : kMeetsFixed + (": " + known->second);
    }
    const NodeId producer = graph_.value(value).producer;
    if (producer == kNoNode) {
      return is_binding(value) ? kMeetsFixed : std::string(kMeetsFixed) + ": it is an input of the network";
    }
    ValueId before = kNoValue;
    for (const NamedArgument& arg : graph_.node(producer).args) {
      arg.value.for_each_value([&](ValueId read) {
        if (before != kNoValue || !is_tensor(read) || rank(read) != rank(value)) return;
        if (sizes(read)[static_cast<size_t>(dim)] == sizes(value)[static_cast<size_t>(dim)]) before = read;
      });
    }
    if (before == kNoValue) return kMeetsFixed;
    value = before;
  }
  return kMeetsFixed;
}

Blocks Propagation::join(const std::vector<Operand>& operands, const std::vector<int64_t>& space, ZeroRule rule,
                         bool constant) {
  // Whether the operand really spans that dimension of the space (not by broadcasting).
  const auto spans = [&](const Operand& operand, size_t dim) {
    return operand.dims[dim] >= 0 && sizes(operand.value)[dim] > 1;
  };
  const auto each_span = [&](auto visit) {
    for (const Operand& operand : operands) {
      for (size_t dim = 0; dim < operand.dims.size(); ++dim) {
        if (spans(operand, dim)) visit(operand, dim, static_cast<size_t>(operand.dims[dim]));
      }
    }
  };
  const auto block_of = [&](const Operand& operand, size_t dim) {
    return find(blocks_[index_of(canonical(operand.value))], static_cast<int64_t>(dim));
  };

  // 0. A joint block's dimensions keep their order; where the space changes it, only the innermost may shrink.
  for (const Operand& operand : operands) {
    for (const Block& block : Blocks(blocks_[index_of(canonical(operand.value))])) {
      std::vector<int64_t> dims = in_space(operand, block);
      std::erase(dims, -1);
      if (!std::is_sorted(dims.begin(), dims.end())) isolate(operand.value, block.dims.back());
    }
  }

  // 1. A dimension that is fixed in one operand is fixed in all.
  std::vector<bool> fixed(space.size(), false);
  std::vector<std::string> reasons(space.size());
  each_span([&](const Operand& operand, size_t dim, size_t at) {
    TINYML_CHECK(sizes(operand.value)[dim] == space[at]);
    const auto state = bindings_.find(canonical(operand.value));
    if (state != bindings_.end() && state->second.groups > 1 && dim == 1) fix(operand.value, 1, kMeetsFixed);
    if (!is_untouched(operand.value, static_cast<int64_t>(dim)) && block_of(operand, dim) == nullptr) {
      if (!fixed[at]) reasons[at] = meets_fixed(operand.value, static_cast<int64_t>(dim));
      fixed[at] = true;
    }
  });
  each_span([&](const Operand& operand, size_t dim, size_t at) {
    if (fixed[at]) fix(operand.value, static_cast<int64_t>(dim), reasons[at]);
  });

  // 2. Dimensions that some operand's block spans together belong together in all operands, which have one block there.
  std::vector<std::vector<size_t>> members;
  for (bool again = true; again;) {
    again = false;
    DimSets sets(space.size());
    std::vector<bool> labelled(space.size(), false);
    for (const Operand& operand : operands) {
      for (const Block& block : blocks_[index_of(canonical(operand.value))]) {
        for (int64_t dim : in_space(operand, block)) {
          if (dim < 0) continue;
          labelled[static_cast<size_t>(dim)] = true;
          sets.unite(static_cast<size_t>(dim), static_cast<size_t>(in_space(operand, block)[0]));
        }
      }
    }
    each_span([&](const Operand& operand, size_t dim, size_t at) {
      if (!labelled[at] && is_untouched(operand.value, static_cast<int64_t>(dim))) {
        touch(operand.value, static_cast<int64_t>(dim), labels_.fresh(space[at]));
        labelled[at] = true;
      }
    });
    members.assign(space.size(), {});
    for (size_t dim = 0; dim < space.size(); ++dim) {
      if (labelled[dim]) members[sets.find(dim)].push_back(dim);
    }
    for (const Operand& operand : operands) {
      // An operand with several blocks or untouched dimensions inside one set keeps the innermost.
      std::map<size_t, size_t> last;
      for (size_t dim = operand.dims.size(); dim-- > 0;) {
        if (!spans(operand, dim)) continue;
        const auto at = static_cast<size_t>(operand.dims[dim]);
        if (members[sets.find(at)].size() < 2) continue;
        if (is_untouched(operand.value, static_cast<int64_t>(dim))) {
          touch(operand.value, static_cast<int64_t>(dim), labels_.fresh(space[at]));
        }
        const Block* block = block_of(operand, dim);
        if (block == nullptr) continue;
        const auto key = static_cast<size_t>(block->dims.back());
        const auto [seen, first] = last.emplace(sets.find(at), key);
        if (!first && seen->second != key) {
          fix(operand.value, static_cast<int64_t>(dim), kMeetsFixed);
          again = true;
        }
      }
    }
    std::erase_if(members, [](const auto& set) { return set.empty(); });
    if (again) continue;
    // Whole heads: what all heads share (a table of angles) stays, and so does each head's inside.
    for (const auto& set : members) {
      if (!options_.whole_heads || set.size() < 2) continue;
      for (const Operand& operand : operands) {
        for (const Block& block : Blocks(blocks_[index_of(canonical(operand.value))])) {
          const std::vector<int64_t> dims = in_space(operand, block);
          const auto first = static_cast<int64_t>(set.front());
          if (std::find(set.begin(), set.end(), static_cast<size_t>(dims.back())) == set.end() || dims[0] == first) {
            continue;
          }
          again = true;
          for (int64_t dim : block.dims) fix(operand.value, dim, "all heads share it");
        }
      }
      each_span([&](const Operand& operand, size_t dim, size_t at) {
        if (again && at == set.front()) isolate(operand.value, static_cast<int64_t>(dim));
      });
      if (again) break;
    }
    if (again) continue;
    // Some operand must span each set whole; otherwise what crosses is fixed.
    for (const auto& set : members) {
      bool whole = false;
      each_span([&](const Operand& operand, size_t dim, size_t at) {
        if (at != set.front()) return;
        const Block* block = block_of(operand, dim);
        whole = whole || (block != nullptr && block->dims.size() == set.size());
      });
      if (whole || set.size() < 2) continue;
      again = true;
      each_span([&](const Operand& operand, size_t dim, size_t at) {
        if (std::find(set.begin(), set.end(), at) == set.end()) return;
        isolate(operand.value, static_cast<int64_t>(dim));
        fix(operand.value, static_cast<int64_t>(dim), "dimensions that were split in different ways meet");
      });
    }
  }

  // 3. Unite, set by set.
  Blocks result;
  for (const auto& set : members) {
    Block main;
    for (const Operand& operand : operands) {
      for (size_t dim = 0; dim < operand.dims.size() && main.labels == nullptr; ++dim) {
        if (!spans(operand, dim) || static_cast<size_t>(operand.dims[dim]) != set.front()) continue;
        const Block* block = block_of(operand, dim);
        if (block != nullptr && block->dims.size() == set.size()) main = *block;
      }
    }
    if (main.labels == nullptr) continue;  // Fixed above.
    main.dims.assign(set.begin(), set.end());
    bool all = !constant, any = false, first = false;
    for (size_t i = 0; i < operands.size(); ++i) {
      const Operand& operand = operands[i];
      bool zero = false;
      std::vector<const Block*> done;
      for (size_t dim = 0; dim < operand.dims.size(); ++dim) {
        if (!spans(operand, dim)) continue;
        const auto at = static_cast<size_t>(operand.dims[dim]);
        if (std::find(set.begin(), set.end(), at) == set.end()) continue;
        if (is_untouched(operand.value, static_cast<int64_t>(dim))) {
          touch(operand.value, static_cast<int64_t>(dim), main.labels);
          zero = bindings_.at(canonical(operand.value)).maskable[dim];
          continue;
        }
        const Block* block = block_of(operand, dim);
        if (block == nullptr || std::find(done.begin(), done.end(), block) != done.end()) continue;
        done.push_back(block);
        zero = block->zero;
        if (block->dims.size() == set.size()) {
          labels_.unite(main.labels, block->labels);
          continue;
        }
        std::vector<size_t> positions;
        for (int64_t d : in_space(operand, *block)) {
          positions.push_back(
              static_cast<size_t>(std::find(set.begin(), set.end(), static_cast<size_t>(d)) - set.begin()));
        }
        const std::vector<size_t> projection = project(main.shape, positions);
        for (size_t k = 0; k < projection.size(); ++k)
          labels_.unite((*main.labels)[k], (*block->labels)[projection[k]]);
      }
      all = all && zero;
      any = any || zero;
      if (i == 0) first = zero;
    }
    main.zero = rule == ZeroRule::kAll ? all : rule == ZeroRule::kAny ? any : rule == ZeroRule::kFirst && first;
    result.push_back(std::move(main));
  }
  return result;
}

}  // namespace tinyml::analysis
