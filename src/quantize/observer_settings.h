// What a FakeQuant of an activation says about how its range is found.
#pragma once

#include "tinyml/quantize.h"

namespace tinyml::quantization {

struct ObserverSettings {
  TensorScheme scheme;
  double mask_margin = 0.0;  ///< Not 0: masked scores may pass, and are put so far below the others.
};

/// From the node's arguments and notes ("tinyml.observer" and so on); `otherwise` where it names no observer.
ObserverSettings read_observer_settings(const Node& node, Observer otherwise);

/// Whether the node rounds to the grid of another FakeQuant and observes nothing.
bool is_requantize(const Node& node);

}  // namespace tinyml::quantization
