// What a layer multiplies its weights with.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "quantize/refine/layer.h"

namespace tinyml::quantization {

/// One column for each of up to `limit` of the layer's output positions, spread evenly over all samples; rows are the
/// entries [first, first + count) of a weight's row (channels of the group, then the kernel). `inputs`: float32,
/// [N, C, L], [N, C, H, W], or for linear layers any with the features last.
Eigen::MatrixXf unfold(const std::vector<Tensor>& inputs, const Window& window, int64_t group, int64_t first,
                       int64_t count, int64_t limit);

}  // namespace tinyml::quantization
