#pragma once

#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/tflite.h"

namespace tinyml::cli {

struct CompareOptions {
  std::vector<std::string> inputs;  // .npy files, one for each input of the model; empty: random values.
  std::string litert;               // LiteRT's shared library; empty: looked for.
  bool keep_layout = false;         // Where an image's shape is the same in both orders, it is NCHW in the file.
};

// How far one output of a file is from the model's.
struct OutputDifference {
  std::string name;
  double max_error = 0;  // Over the range of the model's output.
  double snr_db = 0;     // Energy of the model's output over that of the difference.
};

// Runs a .tflite file in LiteRT and the captured model in the evaluator on the same values. Throws Error when inputs or
// outputs do not correspond, or when the file cannot be run.
std::vector<OutputDifference> compare_file(const std::string& path, const tflite::Model& file, const Graph& graph,
                                           const CompareOptions& options);

}  // namespace tinyml::cli
