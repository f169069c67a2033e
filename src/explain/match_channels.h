// Channels that a file holds in an order of its own.
#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::explaining {

/// Conversion permutes weights where that spares shuffling channels, so a tensor may have its channels in another
/// order. Puts those of `values` (dimension 1 of [N, C, ...], float32) in the order of those of `like`: for one after
/// the other the nearest that is left. They stay where they are near as they are, where that brings them no nearer, and
/// where many are nearest to one, as noise is. `order`: what an earlier sample gave, or empty; it is used, or set.
Tensor match_channels(const Tensor& values, const Tensor& like, std::vector<int64_t>& order);

}  // namespace tinyml::explaining
