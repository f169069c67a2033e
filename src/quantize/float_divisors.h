// What is computed for a divisor alone.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "quantize/tie_rules.h"
#include "tinyml/graph.h"

namespace tinyml::quantization {

/// The operators whose results reach nothing but divisors: of divisions, reciprocals, inverse square roots and negative
/// powers. Norms with the bound that keeps them from zero, sums of exponentials, standard deviations. In 8 bits a small
/// divisor rounds to zero and the quotient is infinite, or not a number; the divisions are computed in float between
/// integers, so that a float divisor costs nothing.
///
/// Layers, batch norms and concatenations are none: they have integer results. `rules`: those of all operators that
/// make data; `is_dynamic`: by value, whether it depends on the model's inputs.
std::set<NodeId> find_float_divisors(const Graph& graph, const std::map<NodeId, TieRule>& rules,
                                     const std::vector<bool>& is_dynamic);

}  // namespace tinyml::quantization
