#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// The lowest version of the operator whose definition has every feature this one uses (types, ranks, groups, fused
/// activations, ...), so that the oldest runtime that can execute the file accepts it.
int operator_version(const Subgraph& subgraph, const Operator& op);

}  // namespace tinyml::tflite
