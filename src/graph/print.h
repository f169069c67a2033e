#pragma once

#include <string>

#include "tinyml/graph.h"

namespace tinyml {

/// "%x", "[1, 1]", "None", "float32": as in the text form of a graph.
std::string print_argument(const Graph& graph, const Argument& argument);
/// "float32[1, 3, s77]" or "Sym(s77*2)".
std::string print_type(const Graph& graph, ValueId id);
/// "aten.conv2d.default(input=%x, weight=%p_weight)", defaults left out.
std::string print_call(const Graph& graph, const Node& node);

}  // namespace tinyml
