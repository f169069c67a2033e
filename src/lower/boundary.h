// The types of inputs and outputs that a conversion asks for.
#pragma once

#include "tinyml/convert.h"

namespace tinyml::lowering {

/// What the options say about each input and output of the model, in its order.
struct BoundaryTypes {
  std::vector<tflite::Type> inputs, outputs;
};

/// The type of the input or output of that name.
tflite::Type boundary_type(const ConvertOptions& options, const std::string& name);

/// For the signature of a lowered model. Throws Error for a name in the options that the model does not have, listing
/// those it has.
BoundaryTypes boundary_types(const ConvertOptions& options, const tflite::Signature& signature);

/// The statistics of the options with the types that the file's inputs get.
std::map<std::string, InputStatistics> typed_statistics(const ConvertOptions& options);

}  // namespace tinyml::lowering
