// The inverse of rewrite_silu.
#pragma once

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// x * sigmoid(x), with a sigmoid that nobody else reads, becomes silu(x).
void restore_silu(Graph& graph);

}  // namespace tinyml::quantization
