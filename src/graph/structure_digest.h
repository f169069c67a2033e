// Recognizes a group of nodes again.
#pragma once

#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// 16 hexadecimal digits for the operators of `nodes`, their numbers and names, and how their values are wired: equal
/// for equal structure. Tensors bound inside the module `path` count by their names below it, other values from outside
/// by the order of their first use; element types, devices and shapes do not count.
std::string structure_digest(const Graph& graph, const std::vector<NodeId>& nodes, const std::string& path);

}  // namespace tinyml
