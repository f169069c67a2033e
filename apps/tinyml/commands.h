// The commands of the tool. Each add_NAME adds one subcommand with its options, help and callback; a callback throws
// tinyml::Error for bad input (exit code 1) and CLI::ValidationError for bad usage (exit code 2).
#pragma once

#include <CLI/CLI.hpp>

namespace tinyml::cli {

// Options every command shares.
struct Common {
  bool quiet = false;  // no progress on stderr
};

void add_info(CLI::App& app, const Common& common);
void add_deps(CLI::App& app, const Common& common);
void add_codegen(CLI::App& app, const Common& common);
void add_profile(CLI::App& app, const Common& common);
void add_prune(CLI::App& app, const Common& common);
void add_sensitivity(CLI::App& app, const Common& common);
void add_quantize(CLI::App& app, const Common& common);
void add_dequantize(CLI::App& app, const Common& common);
void add_convert(CLI::App& app, const Common& common);
void add_ops(CLI::App& app, const Common& common);
void add_optimize(CLI::App& app, const Common& common);
void add_evaluate(CLI::App& app, const Common& common);
void add_verify(CLI::App& app, const Common& common);
void add_explain(CLI::App& app, const Common& common);

}  // namespace tinyml::cli
