#pragma once

#include <map>
#include <utility>
#include <vector>

#include "lower/dynamic/samples.h"
#include "tinyml/error.h"
#include "tinyml/tflite.h"

namespace tinyml::lowering {

/// A graph lowered at fixed sizes.
struct Lowered {
  tflite::Model model;
  std::map<std::pair<size_t, size_t>, NodeId> origins;  ///< Subgraph and operator -> the node it was made for.
  Graph graph;                                          ///< What was lowered.
  std::vector<std::string> outputs;                     ///< Names of the model's outputs.
};

/// One model for all sizes from the lowerings at several: sizes that differ become -1 in the signatures (`shape` holds
/// the first sample's), and operands that differ are computed by operators. Appends a diagnostic for each operator that
/// needs a constant size, with its node's module path, source line and the dynamic dimensions it met.
tflite::Model merge_samples(std::vector<Lowered> samples, std::vector<Diagnostic>& problems);

}  // namespace tinyml::lowering
