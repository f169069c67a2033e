// Options of `convert` under the names that users of other converters know.
#pragma once

#include <CLI/CLI.hpp>

#include "tinyml/convert.h"

namespace tinyml::cli {

// Their values, until the command runs.
struct FamiliarOptions {
  std::vector<std::string> input_transpose, output_transpose;
  std::vector<size_t> fuse_input_indices, fuse_output_indices;
  int max_transpose_dims = -1;
  bool fuse_quant_dequant = false, preserve_tensors = false, micro = false, float16 = false, hybrid = false;
  bool unroll_rnn = false;
};

void add_familiar_options(CLI::App& command, FamiliarOptions& options);

// Applies them. `io_given`: whether --io said a type. Throws Error where they contradict what is said otherwise.
void apply_familiar_options(const FamiliarOptions& options, bool io_given, ConvertOptions& wanted);

}  // namespace tinyml::cli
