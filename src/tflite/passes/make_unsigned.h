#pragma once

#include "tinyml/tflite.h"
#include "tinyml/tflite_target.h"

namespace tinyml::tflite {

/// The older UINT8 scheme: every INT8 activation, and every INT8 weight under one, becomes UINT8 with its zero point
/// moved by 128; the real numbers stay the same. Throws Error, naming each, for weights with a scale for each channel
/// and for operators without a UINT8 kernel.
void make_unsigned(Model& model, Target target);

}  // namespace tinyml::tflite
