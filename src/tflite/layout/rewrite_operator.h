#pragma once

#include "tflite/layout/operator_layout.h"

namespace tinyml::tflite {

/// Changes the attributes of an operator (axes, paddings, begins, flags; options and constant inputs) from logical
/// order to the orders of its configuration. Changed constants are added to the subgraph. Operands are left alone.
void rewrite_attributes(Subgraph& subgraph, Operator& op, const LayoutConfig& config);

/// A STRIDED_SLICE that takes one size out of the SHAPE of a tensor stored in `order` takes the same size still.
void reorder_size(Subgraph& subgraph, Operator& op, const Order& order);

}  // namespace tinyml::tflite
