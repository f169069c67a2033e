// Dynamic sizes: what depends on one must be dynamic itself.
#include <fmt/ranges.h>

#include <algorithm>

#include "tflite/verify/infer_shape.h"

namespace tinyml::tflite {
namespace {

// A multiple, so that what divides a size still does.
constexpr int32_t kFactor = 2;

bool is_dynamic(const Tensor& tensor) {
  return std::any_of(tensor.shape_signature.begin(), tensor.shape_signature.end(), [](int32_t n) { return n < 0; });
}

// The subgraph's tensors with every dynamic size changed.
Subgraph at_other_sizes(const Subgraph& subgraph) {
  Subgraph other;
  other.name = subgraph.name;
  other.tensors = subgraph.tensors;
  for (Tensor& tensor : other.tensors) {
    for (size_t i = 0; i < tensor.shape_signature.size(); ++i) {
      if (tensor.shape_signature[i] < 0) tensor.shape[i] *= kFactor;
    }
  }
  return other;
}

}  // namespace

void check_dynamic_sizes(const Checker& checker) {
  for (const Tensor& tensor : checker.subgraph.tensors) {
    for (size_t i = 0; i < tensor.shape_signature.size(); ++i) {
      if (tensor.shape_signature[i] != -1 && tensor.shape_signature[i] != tensor.shape[i]) {
        checker.report(fmt::format("tensor '{}' has the shape [{}] and the signature [{}]", tensor.name,
                                   fmt::join(tensor.shape, ", "), fmt::join(tensor.shape_signature, ", ")));
      }
    }
  }
  const auto& tensors = checker.subgraph.tensors;
  if (std::none_of(tensors.begin(), tensors.end(), is_dynamic)) return;
  const Subgraph changed = at_other_sizes(checker.subgraph);
  const Checker other{checker.model, changed, checker.violations};
  for (const Operator& op : checker.subgraph.operators) {
    // Whatever shape a RESHAPE has, it is said by an operand or by the signature itself.
    if (op.op == Op::RESHAPE || op.op == Op::SQUEEZE) continue;
    const bool depends = std::any_of(op.inputs.begin(), op.inputs.end(), [&](int id) {
      return checker.tensor(id) != nullptr && is_dynamic(*checker.tensor(id));
    });
    if (!depends) continue;
    std::optional<std::vector<Shape>> shapes;
    try {
      shapes = infer_shapes(other, op);
    } catch (const Error& error) {
      checker.report(op, "at other sizes of the model's inputs: " + error.diagnostics()[0].what);
      continue;
    }
    for (size_t i = 0; shapes && i < std::min(shapes->size(), op.outputs.size()); ++i) {
      const Tensor& out = *checker.output(op, i);
      for (size_t axis = 0; axis < std::min((*shapes)[i].size(), out.shape.size()); ++axis) {
        const bool varies = (*shapes)[i][axis] != out.shape[axis];
        const bool says_so = !out.shape_signature.empty() && out.shape_signature[axis] < 0;
        if (varies && !says_so) {
          checker.report(op, fmt::format("dimension {} of output {} depends on a dynamic size, which its signature "
                                         "does not say",
                                         axis, i));
        }
      }
    }
  }
}

}  // namespace tinyml::tflite
