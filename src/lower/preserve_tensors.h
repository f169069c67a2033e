#pragma once

#include <set>
#include <string>
#include <vector>

#include "lower/lowering.h"

namespace tinyml::lowering {

/// Adds, behind the model's own outputs, the result of every module that another module reads; returns their names:
/// the modules' paths, numbered where a module runs more than once.
std::vector<std::string> preserve_tensors(const Graph& graph, Lowering& lowering);

}  // namespace tinyml::lowering
