#pragma once

#include <functional>

#include "archive/json_writer.h"
#include "tinyml/graph.h"
#include "tinyml/schema.h"

namespace tinyml {

/// Writes an Argument union. `type` is what the operator's schema expects, or nullptr; it decides how an empty list is
/// written. `subgraph_name` names the bodies of control flow.
void write_argument(JsonWriter& json, const Graph& graph, const Argument& argument, const SchemaType* type,
                    const std::function<std::string()>& subgraph_name);

/// As above where no graph can stand: inputs and outputs.
void write_argument(JsonWriter& json, const Graph& graph, const Argument& argument);

}  // namespace tinyml
