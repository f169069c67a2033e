#pragma once

#include <optional>
#include <span>
#include <string>

#include "tinyml/graph.h"

namespace tinyml {

/// Replaces the node `region` by the operators of `body`, whose inputs become `operands` in order and whose outputs
/// stand for the node's. With `autocast_device`, operators whose result lies on that device get conversions of their
/// floating-point arguments to the type of the result, as autocast makes them at run time. Throws Error, naming the
/// node, if the numbers of inputs or outputs differ.
void inline_body(Graph& graph, NodeId region, const Graph& body, std::span<const Argument> operands,
                 std::optional<std::string> autocast_device = std::nullopt);

}  // namespace tinyml
