// The inverse of fuse().
#pragma once

#include <map>
#include <string>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Makes a batch norm of each one that is folded into a layer of tinyml.nn.qat_conv, unless its arithmetic has been
/// edited: those stay folded, which computes the same. The layer's weight must have no FakeQuant. `momentum` by path of
/// the layer; 0.1 where neither it nor the node's metadata knows. `norms`: path of the layer -> that of its batch norm.
void unfold_batch_norms(Graph& graph, const std::map<std::string, double>& momentum,
                        const std::map<std::string, std::string>& norms);

/// Where the batch norm of a layer stands in the usual networks: "a.bn1" for "a.conv1", "a.1" for "a.0"; "" for others.
std::string usual_norm_path(const std::string& layer_path);

}  // namespace tinyml::quantization
