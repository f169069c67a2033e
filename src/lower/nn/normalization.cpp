// batch_norm (with running statistics), layer_norm, group_norm, instance_norm, rms_norm.
#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// A vector of one number a channel as a tensor that broadcasts along dimension 1 of a tensor of that rank.
TensorId channel_constant(Lowering& at, const std::vector<double>& values, int64_t rank) {
  Sizes shape = {static_cast<int64_t>(values.size())};
  for (int64_t i = 2; i < rank; ++i) shape.push_back(1);
  return at.constant(std::vector<float>(values.begin(), values.end()), shape);
}

TensorId channel_vector(Lowering& at, TensorId vector, int64_t rank) {
  Sizes shape = {at.shape(vector)[0]};
  for (int64_t i = 2; i < rank; ++i) shape.push_back(1);
  if (at.tensor(vector).is_constant() && rank > 2) {
    const auto values = at.tensor(vector).buffer.as<float>();
    return at.constant(std::vector<float>(values.begin(), values.end()), shape);
  }
  return at.reshape(vector, shape);
}

// Inference form: x * scale + shift, which a pass folds into a convolution before it.
void lower_batch_norm(Lowering& at) {
  const TensorId x = at.input(at.node().has_arg("input") ? "input" : "self", Type::FLOAT32);
  if (!at.has("running_mean") || !at.has("running_var")) {
    at.refuse("batch norm without running statistics",
              "use track_running_stats=True, or instance or layer norm, whose statistics are those of the input");
  }
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
  at.set_output(at.binary(Op::ADD, scaled, channel_constant(at, shift, rank)));
}

// (x - mean) / sqrt(var + eps) over the axes.
TensorId normalize(Lowering& at, TensorId x, const Sizes& axes, double epsilon) {
  const TensorId centered = at.binary(Op::SUB, x, at.reduce(Op::MEAN, x, axes, true));
  const TensorId variance = at.reduce(Op::MEAN, at.binary(Op::MUL, centered, centered), axes, true);
  const TensorId inverse = at.unary(Op::RSQRT, at.binary(Op::ADD, variance, at.scalar(epsilon, Type::FLOAT32)));
  return at.binary(Op::MUL, centered, inverse);
}

void lower_layer_norm(Lowering& at) {
  TensorId x = at.input("input", Type::FLOAT32);
  const auto count = static_cast<int64_t>(at.integers("normalized_shape").size());
  Sizes axes;
  for (int64_t i = at.rank(x) - count; i < at.rank(x); ++i) axes.push_back(i);
  x = normalize(at, x, axes, at.number("eps"));
  if (at.has("weight")) x = at.binary(Op::MUL, x, at.input("weight", Type::FLOAT32));
  if (at.has("bias")) x = at.binary(Op::ADD, x, at.input("bias", Type::FLOAT32));
  at.set_output(x);
}

TensorId affine(Lowering& at, TensorId x) {
  const int64_t rank = at.rank(x);
  if (at.has("weight")) x = at.binary(Op::MUL, x, channel_vector(at, at.input("weight", Type::FLOAT32), rank));
  if (at.has("bias")) x = at.binary(Op::ADD, x, channel_vector(at, at.input("bias", Type::FLOAT32), rank));
  return x;
}

void lower_group_norm(Lowering& at) {
  TensorId x = at.input("input", Type::FLOAT32);
  const Sizes shape = at.shape(x);
  const int64_t groups = at.integer("num_groups");
  // One group needs no reshape, and neither does a group of one channel: both keep the channels where they are.
  Sizes axes;
  if (groups == 1) axes.push_back(1);
  for (size_t i = 2; i < shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (groups == 1 || groups == shape[1]) return at.set_output(affine(at, normalize(at, x, axes, at.number("eps"))));
  int64_t area = 1;
  for (size_t i = 2; i < shape.size(); ++i) area *= shape[i];
  x = at.reshape(x, {shape[0], groups, shape[1] / groups, area});
  x = at.reshape(normalize(at, x, {2, 3}, at.number("eps")), shape);
  at.set_output(affine(at, x));
}

void lower_instance_norm(Lowering& at) {
  if (!at.flag("use_input_stats")) return lower_batch_norm(at);
  const TensorId x = at.input("input", Type::FLOAT32);
  Sizes axes;
  for (int64_t i = 2; i < at.rank(x); ++i) axes.push_back(i);
  at.set_output(affine(at, normalize(at, x, axes, at.number("eps"))));
}

void lower_rms_norm(Lowering& at) {
  TensorId x = at.input("input", Type::FLOAT32);
  const auto count = static_cast<int64_t>(at.integers("normalized_shape").size());
  Sizes axes;
  for (int64_t i = at.rank(x) - count; i < at.rank(x); ++i) axes.push_back(i);
  const double epsilon = at.has("eps") ? at.number("eps") : 1.1920928955078125e-07;
  const TensorId square = at.reduce(Op::MEAN, at.binary(Op::MUL, x, x), axes, true);
  x = at.binary(Op::MUL, x, at.unary(Op::RSQRT, at.binary(Op::ADD, square, at.scalar(epsilon, Type::FLOAT32))));
  if (at.has("weight")) x = at.binary(Op::MUL, x, at.input("weight", Type::FLOAT32));
  at.set_output(x);
}

}  // namespace

void register_normalization(Registry& registry) {
  registry.add({"batch_norm.default", "_native_batch_norm_legit_no_training.default"}, lower_batch_norm);
  registry.add({"layer_norm.default"}, lower_layer_norm);
  registry.add({"group_norm.default"}, lower_group_norm);
  registry.add({"instance_norm.default"}, lower_instance_norm);
  registry.add({"rms_norm.default"}, lower_rms_norm);
}

}  // namespace tinyml::lowering
