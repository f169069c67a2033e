// Activations with a gap: softshrink, hardshrink.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// x less what of it lies in [-lambda, lambda].
void lower_softshrink(Lowering& at) {
  const double lambda = at.number("lambd");
  const TensorId x = at.input("self", Type::FLOAT32);
  const TensorId above = at.binary(Op::MAXIMUM, x, at.scalar(-lambda, Type::FLOAT32));
  at.set_output(at.binary(Op::SUB, x, at.binary(Op::MINIMUM, above, at.scalar(lambda, Type::FLOAT32))));
}

void lower_hardshrink(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  const TensorId outside = at.compare(Op::GREATER, at.unary(Op::ABS, x), at.scalar(at.number("lambd"), Type::FLOAT32));
  at.set_output(at.select(outside, x, at.scalar(0, Type::FLOAT32)));
}

}  // namespace

void register_shrinkage(Registry& registry) {
  registry.add({"softshrink.default"}, lower_softshrink);
  registry.add({"hardshrink.default"}, lower_hardshrink);
}

}  // namespace tinyml::lowering
