// The measured costs of forms, as data.
#pragma once

#include <optional>

#include "tinyml/tflite_forms.h"

namespace tinyml::tflite {

/// Milliseconds of one representative case, one thread: as written without the form, and with it.
struct FormCost {
  double usual, form;
};

/// nullopt where nothing has been measured: the form has no such values, or the target cannot be timed.
std::optional<FormCost> form_cost(Target target, Form form, bool quantized);

}  // namespace tinyml::tflite
