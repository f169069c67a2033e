#pragma once

#include "tinyml/graph.h"

namespace tinyml::lowering {

/// Whether a tensor has a size that PyTorch could not know at capture.
bool depends_on_data(const Graph& graph, ValueId value);

/// Sizes that follow from constants after all, though PyTorch left them open: those of x[mask] for a constant mask, of
/// repeat_interleave by constant numbers, and of what is computed from them. Found by running each such operator on
/// zeros. Sizes that do depend on data stay open.
Graph resolve_sizes(Graph graph);

}  // namespace tinyml::lowering
