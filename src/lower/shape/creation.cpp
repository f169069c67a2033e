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
void lower_full(Lowering& at) {
  const char* name = at.node().has_arg("fill_value") ? "fill_value" : at.node().has_arg("s") ? "s" : "value";
  fill(at, at.number(name));
}

void lower_fill(Lowering& at) {
  at.set_output(at.broadcast_to(at.input("value", at.output_type()), at.output_sizes()));
}

void lower_copy(Lowering& at) {  // of the type and shape of what it replaces
  at.set_output(at.broadcast_to(at.input("src", at.output_type()), at.output_sizes()));
}

// What comes from numbers alone is a constant already, unless one of the numbers is a dynamic size.
void refuse_sequence(Lowering& at) {
  at.refuse("numbers that depend on a dynamic size",
            "capture the model without dynamic shapes, or pass it as an input");
}

// Of a dynamic length: constant ones are folded before.
void lower_arange(Lowering& at) {
  const double start = at.node().has_arg("start") ? at.number("start") : 0;
  const double step = at.node().has_arg("step") ? at.number("step") : 1;
  std::vector<double> values;
  for (int64_t i = 0; i < at.output_sizes()[0]; ++i) values.push_back(start + static_cast<double>(i) * step);
  const ScalarType type = at.graph().tensor_type(at.node().outputs[0]).type;
  at.set_output(at.constant(Tensor::from(values, at.output_sizes()).to(type)));
}

}  // namespace

void register_creation(Registry& registry) {
  registry.add({"zeros.default", "zeros_like.default", "new_zeros.default", "zero.default", "empty.memory_format",
                "empty_like.default", "new_empty.default"},
               lower_zeros);
  registry.add({"arange.default", "arange.start", "arange.start_step"}, lower_arange);
  registry.add({"fill.Tensor"}, lower_fill);
  registry.add({"copy.default"}, lower_copy);
  registry.add(
      {"linspace.default", "logspace.default", "eye.default", "eye.m", "tril_indices.default", "triu_indices.default",
       "hann_window.default", "hann_window.periodic", "hamming_window.default", "hamming_window.periodic",
       "hamming_window.periodic_alpha", "hamming_window.periodic_alpha_beta", "blackman_window.default",
       "blackman_window.periodic", "bartlett_window.default", "bartlett_window.periodic"},
      refuse_sequence, "of numbers that are known: the result is a constant");
  registry.add({"ones.default", "ones_like.default", "new_ones.default"}, lower_ones);
  registry.add({"full.default", "scalar_tensor.default", "full_like.default", "new_full.default", "fill.Scalar"},
               lower_full);
}

}  // namespace tinyml::lowering
