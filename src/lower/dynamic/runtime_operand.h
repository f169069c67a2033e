#pragma once

#include <vector>

#include "tflite/dynamic/size_source.h"
#include "tinyml/tflite.h"

namespace tinyml::lowering {

using tflite::is_constant;
using tflite::Samples;
using tflite::SizeSource;

/// A constant operand that differs from size to size.
struct RuntimeOperand {
  tflite::Subgraph& subgraph;  ///< New operators are appended to it.
  SizeSource& source;
  tflite::Operator& op;  ///< Its reader, whose options may change (STRIDED_SLICE).
  size_t slot;
  std::vector<tflite::Tensor> values;  ///< At every sample.
  std::vector<Samples> first_input;    ///< Sizes of the reader's first input, where that is another operand.
};

/// The tensor to read instead: a constant with -1 where the format has a word for "up to the end", else sizes, filled
/// tensors and ranges computed at run time. kNoTensor when it is none of these.
int make_runtime_operand(const RuntimeOperand& operand);

}  // namespace tinyml::lowering
