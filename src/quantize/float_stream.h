// Which operators between attention's products and normalizations stay float with them.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "quantize/tie_rules.h"
#include "tinyml/graph.h"

namespace tinyml::quantization {

/// The operators of a transformer's float stream: what is computed for a layer or RMS normalization or for one of
/// attention's products (residual sums, embeddings joined and added, scores scaled, masked and normalized, rotary
/// embeddings), back to the layers whose integer results it reads. In 8 bits a residual sum loses what normalization
/// then magnifies: the small tokens among the large.
///
/// Found from those operators backwards, through operators that only move data. The walk ends at layers, at a value
/// that a layer reads itself (an integer stream, as in convolutional networks), at activations that are part of a layer
/// and at functions of one integer tensor, which integers compute by a table. `rules`: those of all operators that make
/// data; `is_dynamic`: by value, whether it depends on the model's inputs.
std::set<NodeId> find_float_stream(const Graph& graph, const std::map<NodeId, TieRule>& rules,
                                   const std::vector<bool>& is_dynamic);

}  // namespace tinyml::quantization
