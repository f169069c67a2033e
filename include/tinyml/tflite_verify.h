// Checks that a TFLite model means what it seems to mean: the runtimes do not protect the user from illegal scales,
// shapes and ties, they compute wrong numbers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tinyml/error.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Every violation in a model in physical form; empty when it is sound:
/// - structure: tensor ids, order of definition and use, one producer a tensor, operand counts, options that fit the
/// operator,
///   option values the format defines, signatures;
/// - shapes and types: each operator's output shape computed again from its inputs and options (operators of a shape
///   that depends on data are left alone), element types that the operator's kernels take;
/// - signatures: -1 for every size that depends on a dynamic one;
/// - quantization (the format's 8-bit and 16-bit quantization specification): scales finite and positive, zero points
/// in
///   range, symmetric weights, per-channel dimension by operator, bias type and scale, operators whose input and output
///   must share scale and zero point, operators whose output scale is fixed.
std::vector<Diagnostic> find_violations(const Model& model);

/// Throws Error listing what find_violations found.
void verify(const Model& model);

/// Reads the bytes of a file again, verifies the model and that every operator code has at least the version that the
/// features its operators use call for. Throws Error listing every violation.
void verify_file(std::span<const std::byte> file);

}  // namespace tinyml::tflite
