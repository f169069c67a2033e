// Tensors that operators make.
#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// A tensor for an operator to make in the likeness of another: its description, without its contents and its state.
inline Tensor made_like(const Tensor& tensor) {
  Tensor made = tensor;
  made.buffer = {};
  made.is_variable = false;
  return made;
}

}  // namespace tinyml::tflite
