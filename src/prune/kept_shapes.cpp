#include "prune/kept_shapes.h"

#include <algorithm>

namespace tinyml::prune {

std::vector<int64_t> KeptShapes::sizes(ValueId value) const {
  const std::vector<UnitBlock>& blocks = dependencies_.values[index_of(value)];
  for (const UnitBlock& block : blocks) {
    if (block.dims.size() > 1) return kept_sizes(graph_, dependencies_, kept_, value);
  }
  if (dependencies_.grouped.contains(value)) return kept_sizes(graph_, dependencies_, kept_, value);
  std::vector<int64_t> sizes = graph_.tensor_type(value).sizes();
  for (const UnitBlock& block : blocks) {
    const auto [entry, is_new] = counts_.emplace(block.units.get(), 0);
    if (is_new) {
      entry->second =
          std::count_if(block.units->begin(), block.units->end(), [&](UnitId unit) { return is_kept(unit); });
    }
    sizes[static_cast<size_t>(block.dims[0])] = entry->second;
  }
  return sizes;
}

std::vector<bool> KeptShapes::alive(ValueId value, int64_t dim) const {
  const int64_t size = graph_.tensor_type(value).sizes()[static_cast<size_t>(dim)];
  for (const UnitBlock& block : dependencies_.values[index_of(value)]) {
    const auto at = std::find(block.dims.begin(), block.dims.end(), dim);
    if (at == block.dims.end()) continue;
    const auto position = static_cast<size_t>(at - block.dims.begin());
    int64_t inner = 1;
    for (size_t i = position + 1; i < block.shape.size(); ++i) inner *= block.shape[i];
    const int64_t row = size * inner;
    for (int64_t start = 0; start < static_cast<int64_t>(block.units->size()); start += row) {
      std::vector<bool> result(static_cast<size_t>(size), false);
      bool any = false;
      for (int64_t i = 0; i < row; ++i) {
        if (!is_kept((*block.units)[static_cast<size_t>(start + i)])) continue;
        result[static_cast<size_t>(i / inner)] = any = true;
      }
      if (any) return result;
    }
    return std::vector<bool>(static_cast<size_t>(size), false);
  }
  return std::vector<bool>(static_cast<size_t>(size), true);
}

int64_t KeptShapes::count_before(ValueId value, int64_t dim, int64_t index) const {
  const std::vector<bool> all = alive(value, dim);
  return std::count(all.begin(), all.begin() + std::min(index, static_cast<int64_t>(all.size())), true);
}

}  // namespace tinyml::prune
