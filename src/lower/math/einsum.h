// Einstein summation over tensors of the model.
#pragma once

#include <string>

#include "lower/lowering.h"

namespace tinyml::lowering {

/// A tensor and a letter for each of its dimensions, none of them twice.
struct Labeled {
  TensorId x;
  std::string labels;
};

/// The product of two operands, summed over the labels that are not in `kept`: MUL where nothing is summed or nothing
/// but that is left, else one BATCH_MATMUL (FULLY_CONNECTED for a constant matrix).
Labeled contract(Lowering& at, Labeled a, Labeled b, const std::string& kept);

/// Without the labels that are not in `kept`: summed over.
Labeled sum_out(Lowering& at, const Labeled& operand, const std::string& kept);

/// The dimensions in that order of labels; those the operand lacks get size 1.
TensorId arrange(Lowering& at, const Labeled& operand, const std::string& labels);

}  // namespace tinyml::lowering
