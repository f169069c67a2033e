#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

// As aten::grid_sampler numbers them.
enum class GridMode { kLinear = 0, kNearest = 1, kCubic = 2 };
enum class GridPadding { kZeros = 0, kBorder = 1, kReflection = 2 };

/// x [N, C, spatial...] sampled at the positions grid [N, out..., dims] (x first, -1 to 1): [N, C, out...]. See
/// torch.nn.functional.grid_sample.
TensorId grid_sample(Lowering& at, TensorId x, TensorId grid, GridMode mode, GridPadding padding, bool align_corners);

}  // namespace tinyml::lowering
