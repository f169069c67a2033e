// Whose kernels a file is made for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// kLitert: LiteRT with its default delegate, XNNPACK ("litert"). kLitertBuiltin: LiteRT's own kernels without a
/// delegate ("litert-builtin"). kTfliteMicro: TensorFlow Lite for Microcontrollers ("tflite-micro"). kEthosU: Arm's
/// Ethos-U NPUs behind the Vela compiler ("ethos-u").
enum class Target { kLitert, kLitertBuiltin, kTfliteMicro, kEthosU };

/// Throws Error for a name that is none of the four.
Target parse_target(const std::string& name);
std::string_view to_string(Target target);
/// The names that parse_target takes.
std::vector<std::string> target_names();

/// An operator that the target does not run as the file has it.
struct TargetIssue {
  Op op;
  std::string tensor;  ///< Its first output, named after module and operator.
  std::string reason;  ///< What the target lacks, in one sentence without its full stop.
};

/// The operators that the target does not accept, in order of execution: for kTfliteMicro what its AllOpsResolver or
/// the kernels' types lack, for kEthosU what Vela leaves to the CPU, for the others what LiteRT has no kernel for. A
/// model in physical form.
std::vector<TargetIssue> check_target(const Model& model, Target target);

}  // namespace tinyml::tflite
