// Rows of a matrix of parameters, looked up by number.
#pragma once

#include <optional>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Which argument is the matrix of float parameters whose rows the node looks up; nothing when it does not.
std::optional<size_t> table_of_rows(const Graph& graph, const Node& node);

/// Whether a lookup is not all that reads its table, or makes more of the rows than to copy them.
bool is_read_elsewhere(const Graph& graph, const Node& lookup);

}  // namespace tinyml::quantization
