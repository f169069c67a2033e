// Fused activations: which operators have one, and where it is in their options.
#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// The option that holds the fused activation; nullptr when the operator has none that all runtimes honour.
Activation* fused_activation(Options& options, Op op);
inline const Activation* fused_activation(const Options& options, Op op) {
  return fused_activation(const_cast<Options&>(options), op);
}

/// RELU -> Activation::RELU and so on; NONE for operators that are no activations with a fused form.
Activation activation_of(Op op);

}  // namespace tinyml::tflite
