#pragma once

#include <cstdint>
#include <vector>

#include "tinyml/analysis.h"

namespace tinyml::prune {

/// Units of a subgraph that are alike: made by the same layers, in the same rows of the same constraints. Taking
/// equally many of each keeps every constraint.
struct Cell {
  std::vector<UnitId> units;
  std::vector<size_t> producers;  ///< Indices into DependencyGraph::axes.
  int64_t width = 1;              ///< Channels of the widest producer for each unit.
  bool constrained = false;
};

/// The cells of a subgraph, in order of their first unit.
std::vector<Cell> find_cells(const DependencyGraph& dependencies, const Subgraph& subgraph);

}  // namespace tinyml::prune
