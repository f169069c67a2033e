#pragma once

#include "tinyml/convert.h"

namespace tinyml::lowering {

/// What the finished model is made of; input_orders and output_orders are left empty.
ConvertReport report_on(const tflite::Model& model);

}  // namespace tinyml::lowering
