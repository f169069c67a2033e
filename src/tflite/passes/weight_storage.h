// Smaller weights for operators that compute in float. See WeightOptions.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tinyml/tflite.h"
#include "tinyml/tflite_precision.h"
#include "tinyml/tflite_target.h"

namespace tinyml::tflite {

using Note = std::function<void(const std::string&)>;

/// The symmetric INT8 twin of a FLOAT32 constant: scale max|w| / 127 for the tensor (axis < 0) or for each index of
/// `axis`. nullopt when a value is not finite.
std::optional<Tensor> quantize_symmetric(const Tensor& weights, int axis);

/// Lookups in a table of rows that a FakeQuant has put on a symmetric grid become EMBEDDING_LOOKUP of INT8 rows
/// (where the target's has one scale for all: GATHER of rows and of their scales, and a product).
/// kDynamicRange: so do those in other constant tables, and float CONV_2D, FULLY_CONNECTED and
/// UNIDIRECTIONAL_SEQUENCE_LSTM whose weights are constants read INT8 weights (those of FakeQuants keep their
/// integers). Weights that several operators read become one INT8 tensor.
int quantize_weights(Subgraph& subgraph, const WeightOptions& options, Target target, const Note& note);

/// Float constants move behind a DEQUANTIZE where that saves bytes: as FLOAT16 (kFloat16), or as INT8 (kDynamicRange:
/// weights of operators for which quantize_weights has no integer kernel). A constant that FLOAT16 cannot hold (beyond
/// 65504, or all of it below 2^-14) stays FLOAT32 and is noted.
int compress_constants(Subgraph& subgraph, const WeightOptions& options, const Note& note);

}  // namespace tinyml::tflite
