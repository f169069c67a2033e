// How the numbers of a model are stored and computed with where the graph has no FakeQuants.
#pragma once

#include <cstdint>
#include <string>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// kFloat32 ("float32"): as they are. kFloat16 ("float16"): float weights are stored as FLOAT16, everything is computed
/// in float. kDynamicRange ("dynamic_range"): weights are INT8; the runtime quantizes the activations of each
/// invocation by their own range, multiplies integers and returns floats.
enum class Precision { kFloat32, kFloat16, kDynamicRange };

/// Throws Error for a name that is none of the three.
Precision parse_precision(const std::string& name);

struct WeightOptions {
  Precision precision = Precision::kFloat32;
  /// kDynamicRange: a scale for each output channel (each row of an embedding table); false: one for the tensor.
  bool per_channel = true;
  /// kDynamicRange: activations get a zero point as well, which the kernels of FULLY_CONNECTED have as an option.
  bool asymmetric_inputs = true;
  /// Weights with fewer elements stay float.
  int64_t min_elements = 1024;
};

}  // namespace tinyml::tflite
