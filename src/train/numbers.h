// Python's own operators on numbers that a graph computes: sizes, elements read out of tensors.
#pragma once

#include <ATen/core/ivalue.h>

#include <string_view>
#include <vector>

namespace tinyml::train {

/// Takes and returns int, float or bool. Throws Error for a division by zero.
using NumberFunction = c10::IValue (*)(const std::vector<c10::IValue>& operands);

/// What "_operator.mul", "math.floor", "torch.sym_max" and the like compute; nullptr for any other operator.
NumberFunction find_number_function(std::string_view op);

}  // namespace tinyml::train
