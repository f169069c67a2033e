#pragma once

#include "archive/json_writer.h"
#include "tinyml/graph.h"

namespace tinyml {

/// The Graph object of the export schema. `is_program` is false for the body of a control-flow operator. Arguments that
/// equal their default are left out where the call allows it.
void write_graph(JsonWriter& json, const Graph& graph, bool is_program);

/// The GraphSignature object.
void write_signature(JsonWriter& json, const Graph& graph);

}  // namespace tinyml
