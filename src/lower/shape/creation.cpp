// Tensors of one number, like another or not: constants.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

void fill(Lowering& at, double value) {
  int64_t count = 1;
  for (const int64_t size : at.output_sizes()) count *= size;
  const std::vector<double> values(static_cast<size_t>(count), value);
  const ScalarType type = at.graph().tensor_type(at.node().outputs[0]).type;
  at.set_output(at.constant(Tensor::from(values, at.output_sizes()).to(type)));
}

void lower_zeros(Lowering& at) { fill(at, 0); }
void lower_ones(Lowering& at) { fill(at, 1); }
void lower_full(Lowering& at) { fill(at, at.number(at.node().has_arg("fill_value") ? "fill_value" : "value")); }

void lower_fill(Lowering& at) {
  at.set_output(at.broadcast_to(at.input("value", at.output_type()), at.output_sizes()));
}

}  // namespace

void register_creation(Registry& registry) {
  registry.add({"zeros.default", "zeros_like.default", "new_zeros.default", "zero.default",
                "empty.memory_format", "empty_like.default", "new_empty.default"}, lower_zeros);
  registry.add({"fill.Tensor"}, lower_fill);
  registry.add({"ones.default", "ones_like.default", "new_ones.default"}, lower_ones);
  registry.add({"full.default", "full_like.default", "new_full.default", "fill.Scalar"}, lower_full);
}

}  // namespace tinyml::lowering
