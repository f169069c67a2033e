// Checks that a TFLite model means what it seems to mean: the runtimes do not protect the user from illegal scales,
// shapes and ties, they compute wrong numbers.
#pragma once

#include <cstddef>
#include <span>
#include <string>
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

/// Of these, what stands in the way of looking at the model at all: structure, shapes and types. Models in logical form
/// are welcome.
std::vector<Diagnostic> find_misfits(const Model& model);

/// Throws Error listing what find_violations found.
void verify(const Model& model);

/// Every violation in a file's model, and every operator code below the version that the features its operators use
/// call for. Throws Error when the file cannot be read at all.
std::vector<Diagnostic> find_violations(std::span<const std::byte> file);

/// The same for a file on disk.
std::vector<Diagnostic> find_file_violations(const std::string& path);

/// Throws Error listing what find_violations found in a file.
void verify_file(std::span<const std::byte> file);

}  // namespace tinyml::tflite
