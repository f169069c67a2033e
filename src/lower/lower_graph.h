#pragma once

#include "lower/dynamic/merge_samples.h"
#include "tinyml/lower.h"

namespace tinyml::lowering {

/// A normalized graph, without a signature: the model's first subgraph is the graph's, with the tensors of its inputs
/// and outputs in order; subgraphs of branches follow. Every size is a number: symbolic ones have the value that the
/// assignment gives, which the graph's shapes hold already (see with_sizes). Throws Error with every problem.
Lowered lower_graph(const Graph& normal, const LowerOptions& options, const Assignment& symbols = {});

}  // namespace tinyml::lowering
