#pragma once

#include <map>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Every dynamic size becomes the example's. `examples`: size while passes run -> size in the example; products and
/// parts of these sizes follow. Throws Error naming a tensor whose size follows from none of them.
void set_example_sizes(Model& model, const std::map<int32_t, int32_t>& examples);

}  // namespace tinyml::tflite
