#pragma once

#include <unordered_map>
#include <vector>

#include "tinyml/analysis.h"

namespace tinyml::prune {

/// Sizes of values when only some units remain; counts are shared between values with the same channels. Keeps
/// references to its arguments.
class KeptShapes {
 public:
  KeptShapes(const Graph& graph, const DependencyGraph& dependencies, const std::vector<bool>& kept)
      : graph_(graph), dependencies_(dependencies), kept_(kept) {
    counts_.reserve(dependencies.pieces.size());
  }

  std::vector<int64_t> sizes(ValueId value) const;
  /// Whether each index of a dimension remains (in a joint block: in the first row that does).
  std::vector<bool> alive(ValueId value, int64_t dim) const;
  /// Number of indices below `index` that remain.
  int64_t count_before(ValueId value, int64_t dim, int64_t index) const;
  bool is_kept(UnitId unit) const { return unit == kPinnedUnit || kept_[static_cast<size_t>(unit)]; }
  const Graph& graph() const { return graph_; }

 private:
  const Graph& graph_;
  const DependencyGraph& dependencies_;
  const std::vector<bool>& kept_;
  mutable std::unordered_map<const void*, int64_t> counts_;  ///< Of units that remain, by list.
};

}  // namespace tinyml::prune
