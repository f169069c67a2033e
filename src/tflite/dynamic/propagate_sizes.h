#pragma once

#include <variant>
#include <vector>

#include "tflite/dynamic/size_classes.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// The shape of every tensor, by subgraph and id.
using ModelShapes = std::vector<std::vector<Shape>>;

/// An operator whose inputs have these shapes, which do not fit.
struct Misfit {
  std::vector<Shape> inputs;
};

/// Shapes as they follow from those that `classes` gives to inputs and to results of unknown operators; sizes that the
/// model computes from shapes are computed. Branches and loops get the shapes of their callers. The model's structure
/// is sound.
std::variant<ModelShapes, Misfit> propagate_sizes(const Model& model, SizeClasses& classes);

}  // namespace tinyml::tflite
