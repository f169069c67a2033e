// cat and stack: CONCATENATION.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

std::vector<TensorId> parts_of(Lowering& at) {
  std::vector<TensorId> parts;
  for (const TensorId part : at.inputs("tensors")) {
    const Sizes shape = at.shape(part);
    bool empty = false;
    for (const int64_t size : shape) empty = empty || size == 0;
    if (!empty) parts.push_back(at.cast(part, at.output_type()));
  }
  if (parts.empty()) at.refuse("only empty tensors");
  return parts;
}

void lower_cat(Lowering& at) {
  const auto rank = static_cast<int64_t>(at.output_sizes().size());
  at.set_output(at.concatenate(parts_of(at), at.axis("dim", rank)));
}

void lower_stack(Lowering& at) {
  const auto rank = static_cast<int64_t>(at.output_sizes().size());
  const int64_t axis = at.axis("dim", rank);
  Sizes shape = at.output_sizes();
  shape[static_cast<size_t>(axis)] = 1;
  std::vector<TensorId> parts = parts_of(at);
  for (TensorId& part : parts) part = at.reshape(part, shape);
  at.set_output(at.concatenate(parts, axis));
}

}  // namespace

void register_concatenation(Registry& registry) {
  registry.add({"cat.default", "concat.default", "concatenate.default"}, lower_cat);
  registry.add({"stack.default"}, lower_stack);
}

}  // namespace tinyml::lowering
