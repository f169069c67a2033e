#pragma once

#include <functional>

#include "archive/json_ref.h"
#include "tinyml/graph.h"

namespace tinyml {

/// Data of a parameter, buffer or constant: `where` is the signature's entry, for errors.
using PayloadReader =
    std::function<Tensor(BindingKind kind, const std::string& fqn, bool persistent, const JsonRef& where)>;

/// Builds the graph of an exported program from its "graph_module" object. Collects the problems of all nodes before it
/// throws.
Graph read_graph(const JsonRef& graph_module, const PayloadReader& payload);

}  // namespace tinyml
