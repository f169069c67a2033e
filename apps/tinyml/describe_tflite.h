#pragma once

#include <string>

#include "tinyml/tflite.h"

namespace tinyml::cli {

// Inputs, outputs, signatures, operators, sizes and costs of a .tflite file's model, as text.
std::string describe(const tflite::Model& model);

// One line for each operator: kind, output, type, shape.
std::string list_operators(const tflite::Model& model);

// "40 CONV_2D, 3 ADD", the most frequent first.
std::string operators_text(const tflite::Model& model);

}  // namespace tinyml::cli
