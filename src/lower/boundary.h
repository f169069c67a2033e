// The types of inputs and outputs that a conversion asks for.
#pragma once

#include "tinyml/convert.h"
#include "tinyml/tflite_passes.h"

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

/// The dimension orders of inputs or outputs that the options say something of, by position: channels last for true, as
/// they are for false. Throws Error where there are too many entries and for a tensor that has no channels to move.
std::map<size_t, tflite::Order> boundary_orders(const tflite::Subgraph& main, const std::vector<int>& ids,
                                                const std::vector<std::optional<bool>>& channels_last,
                                                const std::string& kind);

/// FLOAT32 for all but the listed positions. Throws Error for a position that does not exist.
void restrict_types(const std::optional<std::vector<size_t>>& indices, const std::string& kind,
                    std::vector<tflite::Type>& types);

}  // namespace tinyml::lowering
