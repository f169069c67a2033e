#pragma once

#include <vector>

#include "analysis/propagation.h"

namespace tinyml::analysis {

/// Blocks of a sum of products of tensors that lie in one space (see Propagation::join), over its dimensions
/// `contracted`; dimension i of the space becomes the output's output_dims[i] (-1 for contracted ones). What is
/// contracted may shrink where a factor is zero in the masked model; an outer dimension that it depends on keeps its
/// size, or goes as a whole (DependencyOptions::whole_heads).
Blocks contract(Propagation& p, const std::vector<Operand>& factors, const std::vector<int64_t>& space,
                const std::vector<int64_t>& contracted, const std::vector<int64_t>& output_dims);

/// Sets the role of a weight's dimension: of the parameter itself, or of those from which the weight is computed and
/// whose dimension has the same labels.
void mark_role(Propagation& p, ValueId weight, int64_t dim, AxisRole role);

}  // namespace tinyml::analysis
