// The statistics of one FakeQuant of an activation.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "quantize/observer_settings.h"
#include "tinyml/error.h"

namespace tinyml::train {

/// Holds the tensors of the scale and of the statistics, which others may hold as well, and changes them in place.
class ActivationQuantizer {
 public:
  quantization::ObserverSettings settings;
  at::Tensor scale;        ///< float32, one element.
  at::Tensor zero_point;   ///< int32, one element.
  at::Tensor running_min;  ///< float32, one element; infinite before anything passed.
  at::Tensor running_max;
  at::Tensor histogram;  ///< float32 counts, or undefined.
  Diagnostic place;      ///< Where in the model it is.

  /// Takes the values into the statistics; the scale stays.
  void observe(const at::Tensor& values);
  bool has_observed() const;
  /// Scale and zero point from the statistics, if there are any.
  void update_scale();
  void reset();
  /// Off the CPU: observes and rounds in one operator of ATen's, if there is one for these settings; else undefined.
  at::Tensor observe_and_round(const at::Tensor& values, bool rounding);
};

}  // namespace tinyml::train
