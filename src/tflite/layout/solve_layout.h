#pragma once

#include <vector>

#include "tflite/layout/operator_layout.h"

namespace tinyml::tflite {

struct LayoutSolution {
  std::vector<LayoutConfig> configs;  ///< By operator.
  int64_t bytes_transposed = 0;
  int transposes = 0;
};

/// Chooses one configuration for every operator such that the bytes that must be transposed between them are fewest,
/// and then the TRANSPOSEs. A value wanted in several orders is counted once for each order; constants and orders that
/// differ only in unit axes cost nothing. `inputs`, `outputs`: the orders of the subgraph's own inputs and outputs
/// (empty: rank below 2).
LayoutSolution solve_layout(const Subgraph& subgraph, const Uses& uses, const OperatorLayouts& layouts,
                            const std::vector<Order>& inputs, const std::vector<Order>& outputs);

}  // namespace tinyml::tflite
