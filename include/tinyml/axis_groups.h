#pragma once

#include <cstdint>
#include <vector>

namespace tinyml {

/// Input axes that a reshape turns into output axes, in row-major order: their sizes have the same product.
struct AxisGroup {
  std::vector<int64_t> inputs;   ///< Axes of the input, ascending; sizes above 1.
  std::vector<int64_t> outputs;  ///< Axes of the output, ascending; sizes above 1.
};

/// The finest decomposition of a reshape into independent groups, in order. Axes of size 1 are in no group. Throws
/// Error if the shapes have different numbers of elements, or none.
std::vector<AxisGroup> find_axis_groups(const std::vector<int64_t>& input, const std::vector<int64_t>& output);

}  // namespace tinyml
