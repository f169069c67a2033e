// Which values are attention scores or masks added to them.
#pragma once

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// How far below the others a masked score may lie to vanish in the softmax that reads it, 0 for a value that is not
/// read by softmaxes alone. For the softmax's own input 16 (exp(-16) is less than a ten-thousandth of an int8 softmax's
/// step for thousands of tokens), for a term added to the scores, whose range it does not know, 128.
double mask_margin(const Graph& graph, ValueId value);

}  // namespace tinyml::quantization
