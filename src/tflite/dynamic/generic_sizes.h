// Dynamic sizes in files are examples, often all 1: what is equal there need not be equal elsewhere, and operators need
// not even fit. Passes and checks work at sizes that tell.
#pragma once

#include <map>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Whether any tensor has a dynamic size.
bool has_dynamic_sizes(const Model& model);

/// Sets all shapes to what follows from inputs of which every dynamic size is another number; equal numbers are then
/// equal sizes whatever the inputs' sizes are. Sizes that operators force to be equal are one; those that operators
/// allow no other value keep the one they have. Returns what each number was in the file, for set_example_sizes; empty,
/// and the model as it was, when it fits together at no sizes. `mark`: sizes that follow from dynamic ones, and of
/// which the file does not say so, get a signature. The model's structure is sound.
std::map<int32_t, int32_t> set_generic_sizes(Model& model, bool mark);

}  // namespace tinyml::tflite
