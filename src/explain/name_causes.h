#pragma once

#include "explain/measure_layers.h"

namespace tinyml::explaining {

/// The causes of a layer's own error, the largest first, each with a remedy. `kernel`: what makes its tensor.
std::vector<ErrorFinding> name_causes(const Graph& graph, const Probe& probe, const LayerSums& sums,
                                      const Measurements& all, const std::string& kernel);

}  // namespace tinyml::explaining
