// Automatic mixed precision on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "latency_options.h"
#include "progress.h"
#include "tinyml/precision_search.h"

namespace tinyml::cli {

struct SearchOptions {
  std::string target, journal;
  std::vector<std::string> precisions = {"int16", "float"};
  double seconds = 0.0;
  size_t sensitivity_samples = 8;
  LatencyOptions latency;
};

// Adds --search and the options that belong to it.
void add_search_options(CLI::App& command, SearchOptions& options);

// The layer-wise configuration that the search finds for a float graph; an interrupt (Ctrl-C) ends it with the best
// that was measured until then. Its tables go to stdout.
std::string run_search(const SearchOptions& options, const Graph& graph, const QuantizationScheme& scheme,
                       const std::vector<std::vector<Tensor>>& samples, Progress& progress);

}  // namespace tinyml::cli
