#pragma once

#include <functional>
#include <memory>

#include "archive/json_ref.h"
#include "tinyml/graph.h"

namespace tinyml {

/// What reading an argument needs to know of the graph around it.
struct ArgumentScope {
  std::function<ValueId(const JsonRef& name)> value;                           ///< A value defined before.
  std::function<std::shared_ptr<const Graph>(const JsonRef& graph)> subgraph;  ///< The graph of control flow.
};

/// An Argument union of the export schema. Throws Error for kinds that a Graph does not hold (custom objects, complex
/// numbers, dictionaries, operators as values).
Argument read_argument(const JsonRef& json, const ArgumentScope& scope);

}  // namespace tinyml
