#pragma once

#include "tinyml/lower.h"

namespace tinyml::lowering {

/// Adds the signature "serving_default": the names of the model's arguments and outputs with their tensors. `names`:
/// one for each output, in the place of those that the options do not give. Throws Error when options.output_names has
/// a wrong number of names.
void add_signature(const LowerOptions& options, std::vector<std::string> names, tflite::Model& model);

}  // namespace tinyml::lowering
