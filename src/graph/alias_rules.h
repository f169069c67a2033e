#pragma once

#include <optional>

#include "tinyml/graph.h"

namespace tinyml {

/// Whether the results of a call share memory with one of its tensors, and which: the position among the node's
/// arguments. Follows the operator's schema and, where that leaves it open (reshape, contiguous, to, dropout), what
/// PyTorch does for the captured types and strides. In-place operators are not asked.
std::optional<size_t> aliased_argument(const Graph& graph, const Node& node);

}  // namespace tinyml
