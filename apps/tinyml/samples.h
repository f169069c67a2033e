// Example inputs from files.
#pragma once

#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::cli {

// Cuts arrays of examples, a .npy file for each input of the model or one .npz file with an array named after each (or
// unnamed ones in order), into runs of the batch size the model was captured with; `limit` of them at most unless it is
// 0. Throws Error, which names the command line's `option` for the files, when numbers or shapes do not fit, and
// without a limit for examples that are left over.
std::vector<std::vector<Tensor>> read_samples(const Graph& graph, const std::vector<std::string>& paths, size_t limit,
                                              const std::string& option = "--calibration");

}  // namespace tinyml::cli
