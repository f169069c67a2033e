// What a command measures latency by.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "tinyml/profile.h"

namespace tinyml::cli {

struct LatencyOptions {
  std::string table, litert;
};

// Adds --latency-table and --litert.
void add_latency_options(CLI::App& command, LatencyOptions& options);

// Runs models in LiteRT on this machine, through a temporary file. Throws Error where the library is not found.
MeasureModel litert_measure(const std::string& library);

// The table's estimate if there is one, else a measurement in LiteRT, in turns with the first graph. `table` is the
// path in the configuration, which the option overrides.
LatencyFunction latency_of(const LatencyOptions& options, const std::string& table);

}  // namespace tinyml::cli
