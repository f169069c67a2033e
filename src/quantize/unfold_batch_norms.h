// The inverse of fuse().
#pragma once

#include <map>
#include <string>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Makes a batch norm of each one that is folded into a layer of tinyml.nn.qat_conv, unless its arithmetic has been
/// edited or the layer is called several times: those stay folded, which computes the same. The layer's weight must
/// have no FakeQuant. `momentum` by path of the layer; 0.1 where neither it nor the node's metadata knows.
void unfold_batch_norms(Graph& graph, const std::map<std::string, double>& momentum);

}  // namespace tinyml::quantization
