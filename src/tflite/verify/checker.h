// What the verification's parts share: a subgraph under inspection and the list of violations.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "tinyml/error.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

struct Checker {
  const Model& model;
  const Subgraph& subgraph;
  std::vector<Diagnostic>& violations;
  bool logical = false;  ///< Operators in channels-first form are welcome; their shapes are not looked at.

  /// Operand access; nullptr for one that is absent or names no tensor.
  const Tensor* tensor(int id) const {
    const bool exists = id >= 0 && static_cast<size_t>(id) < subgraph.tensors.size();
    return exists ? &subgraph.tensors[static_cast<size_t>(id)] : nullptr;
  }
  const Tensor* input(const Operator& op, size_t i) const {
    return i < op.inputs.size() ? tensor(op.inputs[i]) : nullptr;
  }
  const Tensor* output(const Operator& op, size_t i) const {
    return i < op.outputs.size() ? tensor(op.outputs[i]) : nullptr;
  }
  void report(std::string what, std::string remedy = "") const {
    violations.push_back({std::move(what), subgraph.name, {}, std::move(remedy)});
  }
  /// A violation of one operator, which is named by its kind and its first output.
  void report(const Operator& op, const std::string& what) const {
    const Tensor* result = output(op, 0);
    report(fmt::format("{} '{}': {}", name_of(op), result == nullptr ? "" : result->name, what));
  }
};

/// Structure: ids, order, producers, operand counts, options. The other parts run only when this one finds nothing.
void check_structure(const Checker& checker);
/// Output shapes and element types.
void check_shapes(const Checker& checker);
/// Operands that say how: axes, sizes, positions are integers, as many as the axes ask for.
void check_attributes(const Checker& checker);
/// Shape signatures: what depends on a dynamic size is dynamic itself.
void check_dynamic_sizes(const Checker& checker);
/// Scales, zero points and ties.
void check_quantization(const Checker& checker);

/// Types of weights and activations that the kernels take together.
void check_precision(const Checker& checker);

}  // namespace tinyml::tflite
