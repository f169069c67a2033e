#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// A residual branch with an identity shortcut: y = shortcut + branch(shortcut), where nothing else reads what is
/// inside the branch. Without it, y is the shortcut, and every shape stays.
struct ResidualBranch {
  std::string name;  ///< Path of the innermost module that holds all of it and the addition; unique in a model.
  NodeId add = kNoNode;
  ValueId shortcut = kNoValue;
  ValueId result = kNoValue;         ///< What the addition adds to the shortcut.
  std::vector<NodeId> nodes;         ///< Inside the branch, in execution order; the last makes `result`.
  int64_t macs = 0;                  ///< Multiply-accumulates that go with it.
  std::vector<std::string> modules;  ///< Paths of the leaf modules all of whose operators lie inside, in order.
};

/// All residual branches that can be removed, in execution order. Branches behind a projection of the shortcut are
/// none.
std::vector<ResidualBranch> find_residual_branches(const Graph& graph);

/// The graph without the branches of these names: operators and their parameters go. Throws Error naming those that the
/// graph does not have.
Graph remove_branches(const Graph& graph, const std::vector<std::string>& names);

}  // namespace tinyml
