// Reading the model a command works on.
#pragma once

#include <string>

#include "progress.h"
#include "tinyml/graph.h"

namespace tinyml::cli {

// Reads a .pt2 archive and reports it as a step. Throws Error with a remedy for files of other kinds.
Graph load_graph(const std::string& path, Progress& progress);

}  // namespace tinyml::cli
