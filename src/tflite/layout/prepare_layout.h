#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Brings a subgraph into the shape the layout works on, in place and without changing what it computes: SQUEEZE and
/// EXPAND_DIMS become RESHAPE; operands of element-wise operators that are no constants get the output's rank;
/// channels- first convolutions with one input channel a group become DEPTHWISE_CONV_2D; a flatten moves down through
/// the element-wise operators between it and its FULLY_CONNECTED.
void prepare_layout(Subgraph& subgraph);

}  // namespace tinyml::tflite
