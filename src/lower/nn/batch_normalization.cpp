// batch_norm and instance_norm, with running statistics or those of the input.
#include <cmath>

#include "lower/nn/normalization.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// A tensor of one number a channel, broadcast along dimension 1 of a tensor of that rank.
TensorId channel_constant(Lowering& at, const std::vector<double>& values, int64_t rank) {
  Sizes shape = {static_cast<int64_t>(values.size())};
  for (int64_t i = 2; i < rank; ++i) shape.push_back(1);
  return at.constant(std::vector<float>(values.begin(), values.end()), shape);
}

bool is_fixed(const Lowering& at, std::string_view name) { return !at.has(name) || at.constant_data(name) != nullptr; }

// x * scale + shift, which a pass folds into a convolution before it.
TensorId fixed_batch_norm(Lowering& at, TensorId x) {
  const std::vector<double> mean = at.require_constant("running_mean").to_doubles();
  const std::vector<double> variance = at.require_constant("running_var").to_doubles();
  std::vector<double> scale(mean.size(), 1);
  std::vector<double> shift(mean.size(), 0);
  if (at.has("weight")) scale = at.require_constant("weight").to_doubles();
  if (at.has("bias")) shift = at.require_constant("bias").to_doubles();
  const double epsilon = at.number("eps");
  for (size_t i = 0; i < scale.size(); ++i) {
    scale[i] /= std::sqrt(variance[i] + epsilon);
    shift[i] -= mean[i] * scale[i];
  }
  const int64_t rank = at.rank(x);
  const TensorId scaled = at.binary(Op::MUL, x, channel_constant(at, scale, rank));
  return at.binary(Op::ADD, scaled, channel_constant(at, shift, rank));
}

// The same with statistics, weight or bias that the model computes.
TensorId computed_batch_norm(Lowering& at, TensorId x) {
  const TensorId variance = at.input("running_var", Type::FLOAT32);
  const TensorId epsilon = at.scalar(at.number("eps"), Type::FLOAT32);
  TensorId scale = at.unary(Op::RSQRT, at.binary(Op::ADD, variance, epsilon));
  if (at.has("weight")) scale = at.binary(Op::MUL, scale, at.input("weight", Type::FLOAT32));
  TensorId shift = at.binary(Op::MUL, at.input("running_mean", Type::FLOAT32), scale);
  if (at.has("bias")) {
    shift = at.binary(Op::SUB, at.input("bias", Type::FLOAT32), shift);
  } else {
    shift = at.unary(Op::NEG, shift);
  }
  const TensorId scaled = at.binary(Op::MUL, x, channel_vector(at, scale, at.rank(x)));
  return at.binary(Op::ADD, scaled, channel_vector(at, shift, at.rank(x)));
}

TensorId batch_norm(Lowering& at, TensorId x) {
  const bool fixed =
      is_fixed(at, "running_mean") && is_fixed(at, "running_var") && is_fixed(at, "weight") && is_fixed(at, "bias");
  return fixed ? fixed_batch_norm(at, x) : computed_batch_norm(at, x);
}

// Statistics of the input where there are no running ones, whatever the mode; else the running ones.
void lower_batch_norm(Lowering& at) {
  refuse_statistics(at);
  const TensorId x = at.input("input", Type::FLOAT32);
  const bool running = at.node().has_arg("running_mean") && at.has("running_mean") && at.has("running_var");
  if (running) return at.set_output(batch_norm(at, x));
  Sizes axes = {0};
  for (int64_t i = 2; i < at.rank(x); ++i) axes.push_back(i);
  at.set_output(channel_affine(at, normalize(at, x, axes, at.number("eps"))));
}

void lower_instance_norm(Lowering& at) {
  const TensorId x = at.input("input", Type::FLOAT32);
  if (!at.flag("use_input_stats")) return at.set_output(batch_norm(at, x));
  Sizes axes;
  for (int64_t i = 2; i < at.rank(x); ++i) axes.push_back(i);
  at.set_output(channel_affine(at, normalize(at, x, axes, at.number("eps"))));
}

}  // namespace

void register_batch_normalization(Registry& registry) {
  registry.add({"batch_norm.default", "native_batch_norm.default", "_native_batch_norm_legit.default",
                "_native_batch_norm_legit.no_stats", "_native_batch_norm_legit_no_training.default"},
               lower_batch_norm);
  registry.add({"instance_norm.default"}, lower_instance_norm);
}

}  // namespace tinyml::lowering
