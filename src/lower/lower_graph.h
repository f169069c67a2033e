#pragma once

#include "tinyml/lower.h"

namespace tinyml::lowering {

/// The model of a normalized graph, without a signature: its first subgraph is the graph's, with the tensors of its
/// inputs and outputs in order; subgraphs of branches follow. Throws Error with every problem.
tflite::Model lower_graph(const Graph& normal, const LowerOptions& options);

}  // namespace tinyml::lowering
