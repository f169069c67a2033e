// A layer whose weight is fake-quantized.
#pragma once

#include <optional>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

struct Layer {
  NodeId node = kNoNode;
  ValueId input = kNoValue;
  NodeId weight_fq = kNoNode;  ///< The FakeQuant of the weight.
  ValueId weight = kNoValue;   ///< The parameter behind it, read by this layer alone; kNoValue when it is not so.
  ValueId factor = kNoValue;   ///< What the parameter is multiplied with before the FakeQuant, if anything.
};

/// The layer that a node is, or nothing for other operators and for weights that are not fake-quantized.
std::optional<Layer> find_layer(const Graph& graph, NodeId id);

/// The dimension of the layer's result that holds its output channels.
int64_t channel_dimension(const Node& layer, int64_t rank);

/// How a convolution or linear layer of any rank up to 2 reads its input.
struct Window {
  int64_t groups = 1;
  std::vector<int64_t> kernel, stride, padding, dilation;  ///< Rows and columns; empty for a linear layer.
};

/// The window of conv1d, conv2d and linear; nothing for others and for padding given by name.
std::optional<Window> find_window(const Graph& graph, const Layer& layer);

}  // namespace tinyml::quantization
