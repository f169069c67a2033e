// Which values depend on the model's inputs.
#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// By value, whether it depends on the model's inputs; a recurrent layer's initial state counts like its later ones.
std::vector<bool> find_dynamic_values(const Graph& graph);

}  // namespace tinyml::quantization
