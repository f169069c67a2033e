#pragma once

#include <map>
#include <vector>

#include "tinyml/analysis.h"

namespace tinyml::prune {

/// The axes of each binding, by its value.
std::map<ValueId, std::vector<const BindingAxis*>> axes_by_binding(const DependencyGraph& dependencies);

/// What remains of a tensor along its axes; `alive` has one entry for each axis, one flag for each of its units.
Tensor cut_tensor(const Tensor& data, const std::vector<const BindingAxis*>& axes,
                  const std::vector<std::vector<bool>>& alive);
/// The tensor with what would be cut set to zero.
Tensor mask_tensor(const Tensor& data, const std::vector<const BindingAxis*>& axes,
                   const std::vector<std::vector<bool>>& alive);

}  // namespace tinyml::prune
