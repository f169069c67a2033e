#pragma once

#include <string>

#include "tinyml/graph.h"

namespace tinyml {

/// JSON of the ExportedProgram object: the graph as it is, with versions, ranges and module call graph of the program
/// it was read from, or those of a program that never was one.
std::string write_program(const Graph& graph);

}  // namespace tinyml
