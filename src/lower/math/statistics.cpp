// Variance and standard deviation, with the mean or without.
#include "lower/math/elementwise.h"
#include "lower/math/reduced.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

double correction_of(const Lowering& at) {
  if (at.node().has_arg("correction")) return at.has("correction") ? at.number("correction") : 1;
  return !at.node().has_arg("unbiased") || at.flag("unbiased") ? 1 : 0;
}

struct Moments {
  TensorId mean;  ///< With the reduced dimensions kept.
  TensorId variance;
};

// The mean of the squared differences from the mean, times count / (count - correction).
Moments moments(Lowering& at, const Reduced& from) {
  const auto count = static_cast<double>(from.count(at));
  const double correction = correction_of(at);
  if (correction >= count) {
    at.refuse("the variance of no more elements than its correction is not a number",
              "reduce over more elements, or use correction=0");
  }
  Moments result{};
  result.mean = at.reduce(Op::MEAN, from.x, from.axes, true);
  const TensorId centered = at.binary(Op::SUB, from.x, result.mean);
  result.variance = at.reduce(Op::MEAN, at.binary(Op::MUL, centered, centered), from.axes, from.keep_dims);
  if (correction != 0) {
    result.variance = at.binary(Op::MUL, result.variance, number(at, count / (count - correction)));
  }
  return result;
}

void lower_var(Lowering& at) { at.set_output(moments(at, read_reduction(at, Type::FLOAT32)).variance); }

void lower_std(Lowering& at) {
  at.set_output(at.unary(Op::SQRT, moments(at, read_reduction(at, Type::FLOAT32)).variance));
}

template <bool is_std>
void lower_with_mean(Lowering& at) {
  const Moments found = moments(at, read_reduction(at, Type::FLOAT32));
  at.set_output(0, is_std ? at.unary(Op::SQRT, found.variance) : found.variance);
  if (at.wants_output(1)) at.set_output(1, at.reshape(found.mean, at.output_sizes(1)));
}

}  // namespace

void register_statistics(Registry& registry) {
  constexpr auto kEnough = "more elements than the correction: the result would not be a number";
  registry.add({"var.default", "var.dim", "var.correction"}, lower_var, kEnough);
  registry.add({"std.default", "std.dim", "std.correction"}, lower_std, kEnough);
  registry.add({"var_mean.default", "var_mean.dim", "var_mean.correction"}, lower_with_mean<false>, kEnough);
  registry.add({"std_mean.default", "std_mean.dim", "std_mean.correction"}, lower_with_mean<true>, kEnough);
}

}  // namespace tinyml::lowering
