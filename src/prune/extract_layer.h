#pragma once

#include <optional>

#include "tinyml/graph.h"

namespace tinyml::prune {

/// A graph of one operator: its tensors that are computed become inputs. Nothing for operators that take symbolic
/// numbers.
std::optional<Graph> extract_layer(const Graph& graph, NodeId id);

}  // namespace tinyml::prune
