#pragma once

#include "tinyml/tflite.h"

namespace tinyml::profiling {

/// A model of one operator of a main subgraph: what it reads and no constant is its input, its results its outputs.
/// Throws Error for operators that call subgraphs.
tflite::Model extract_operator(const tflite::Subgraph& subgraph, const tflite::Operator& op);

}  // namespace tinyml::profiling
