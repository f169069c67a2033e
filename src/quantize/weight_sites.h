// Where the FakeQuants of constant operands stand.
#pragma once

#include <vector>

#include "quantize/placement.h"

namespace tinyml::quantization {

/// Of a layer's weight: a scale for each output channel, or one.
WeightSite layer_site(const Graph& graph, const QuantizationScheme& scheme, NodeId layer);

/// Of the table that a lookup reads: a scale for each row, or one.
WeightSite row_site(const Graph& graph, const QuantizationScheme& scheme, NodeId lookup);

/// Adds those of the constants of more than one element among the first `data_args` arguments.
void add_operand_sites(const Graph& graph, NodeId node, size_t data_args, const TensorScheme& scheme,
                       const std::vector<bool>& is_dynamic, std::vector<WeightSite>& sites);

}  // namespace tinyml::quantization
