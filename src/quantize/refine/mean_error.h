// What quantization changes on average in each channel of a layer's result.
#pragma once

#include <cstddef>
#include <vector>

#include "quantize/refine/lockstep.h"

namespace tinyml::quantization {

/// The mean over all examples by channel, less what may be chance: shrunk by the share of the mean's own variance in
/// its square (James and Stein, 1961), to nothing where that is larger or where there is one example only. An example
/// is a run or, where `batched`, an index of the first dimension of one. `inner`: elements behind the channels'
/// dimension.
std::vector<double> significant_mean_error(const ValuePair& results, bool batched, size_t channels, size_t inner);

}  // namespace tinyml::quantization
