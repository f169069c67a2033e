// Which of a scheme's rules hold for a node.
#pragma once

#include "tinyml/graph.h"
#include "tinyml/quantize.h"

namespace tinyml::quantization {

/// Whether the pattern names this node, its module (or one around it), its operator or its module's class.
bool rule_matches(const LayerRule& rule, const Node& node);
/// The exception for this node alone, or nullptr.
const LayerRule* own_rule(const Graph& graph, const QuantizationScheme& scheme, const Node& node);
/// Whether the scheme asks for integers where float is the default.
bool is_asked_for(const Graph& graph, const QuantizationScheme& scheme, const Node& node);
bool is_ignored(const Graph& graph, const QuantizationScheme& scheme, const Node& node);
/// With the range of so many bits; weights are symmetric, and so are activations of more than 8 bits, whose zero point
/// the target wants to be 0.
TensorScheme with_bits(TensorScheme scheme, int bits, bool weight);
TensorScheme activation_scheme(const Graph& graph, const QuantizationScheme& scheme, const Node& node);
TensorScheme weight_scheme(const Graph& graph, const QuantizationScheme& scheme, const Node& node);

}  // namespace tinyml::quantization
