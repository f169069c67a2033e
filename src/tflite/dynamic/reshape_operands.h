#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// A shape operand for every RESHAPE whose result has more than one dynamic size; with one, -1 says it all. Throws
/// Error naming the tensor when the sizes do not follow from tensors computed before.
void make_reshape_operands(Model& model);

}  // namespace tinyml::tflite
