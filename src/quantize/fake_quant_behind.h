// Which FakeQuant gave a value its scale.
#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// The FakeQuant whose scale the value has: its own, or that in front of operators that only move its numbers, or that
/// of all parts of a concatenation. nullptr when there is none.
const Node* fake_quant_behind(const Graph& graph, ValueId value);

/// The scales of a FakeQuant: one, or one for each channel.
std::vector<double> scales_of(const Graph& graph, const Node& fake_quant);

}  // namespace tinyml::quantization
