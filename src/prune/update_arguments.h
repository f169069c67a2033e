#pragma once

#include "prune/kept_shapes.h"
#include "tinyml/graph.h"

namespace tinyml::prune {

/// Brings the arguments of a node that depend on channel counts (sizes of views, groups, bounds of slices, ...) in line
/// with what remains. `graph` is the graph being pruned; `shapes` knows the shapes before and after.
void update_arguments(Graph& graph, NodeId id, const KeptShapes& shapes);

}  // namespace tinyml::prune
