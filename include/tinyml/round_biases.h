#pragma once

#include "tinyml/graph.h"

namespace tinyml {

/// Moves the biases of quantized layers to the integers that the device adds: a layer whose input and weight have
/// FakeQuants adds an int32 bias of scale input_scale * weight_scale[channel], and a float bias is rounded to that when
/// the model is converted. With the same rounding done here the fake-quantized model computes what the integers do.
///
/// The data of a parameter changes by half a step at most: of the layer's bias, or of the bias of a batch norm that is
/// folded into it. What cannot be moved alone stays as it is: a bias that several layers share, a batch norm without
/// `affine`. To be called once the scales are final, after calibration or training; calling it again changes nothing
/// but float rounding. A graph without FakeQuants is returned unchanged.
Graph round_biases(const Graph& graph);

}  // namespace tinyml
