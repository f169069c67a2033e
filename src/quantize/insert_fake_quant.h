// Carries a placement out.
#pragma once

#include "quantize/placement.h"
#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Adds the nodes, buffers and module calls of every site; weights get their scales.
void insert_activations(Graph& graph, const std::vector<Site>& sites, const std::vector<WidthSite>& widths);
void insert_weights(Graph& graph, const std::vector<WeightSite>& sites);

/// Data of a value that depends on no input.
Tensor constant_value(const Graph& graph, ValueId value);

}  // namespace tinyml::quantization
