// layer_norm, group_norm, instance_norm, rms_norm and the normalisation of weights.
#include "lower/nn/normalization.h"

#include "lower/registry.h"

namespace tinyml::lowering {

TensorId normalize(Lowering& at, TensorId x, const Sizes& axes, double epsilon) {
  const TensorId centered = at.binary(Op::SUB, x, at.reduce(Op::MEAN, x, axes, true));
  const TensorId variance = at.reduce(Op::MEAN, at.binary(Op::MUL, centered, centered), axes, true);
  const TensorId inverse = at.unary(Op::RSQRT, at.binary(Op::ADD, variance, at.scalar(epsilon, Type::FLOAT32)));
  return at.binary(Op::MUL, centered, inverse);
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

TensorId channel_affine(Lowering& at, TensorId x) {
  const int64_t rank = at.rank(x);
  if (at.has("weight")) x = at.binary(Op::MUL, x, channel_vector(at, at.input("weight", Type::FLOAT32), rank));
  if (at.has("bias")) x = at.binary(Op::ADD, x, channel_vector(at, at.input("bias", Type::FLOAT32), rank));
  return x;
}

void refuse_statistics(const Lowering& at) {
  for (size_t i = 1; i < at.output_count(); ++i) {
    if (at.wants_output(i)) at.refuse("its statistics are used, which only training needs", "use the result alone");
  }
}

namespace {

// The last dimensions, as many as normalized_shape lists.
Sizes normalized_axes(const Lowering& at, int64_t rank) {
  Sizes axes;
  for (int64_t i = rank - static_cast<int64_t>(at.integers("normalized_shape").size()); i < rank; ++i) {
    axes.push_back(i);
  }
  return axes;
}

void lower_layer_norm(Lowering& at) {
  refuse_statistics(at);
  TensorId x = at.input("input", Type::FLOAT32);
  x = normalize(at, x, normalized_axes(at, at.rank(x)), at.number("eps"));
  if (at.has("weight")) x = at.binary(Op::MUL, x, at.input("weight", Type::FLOAT32));
  if (at.has("bias")) x = at.binary(Op::ADD, x, at.input("bias", Type::FLOAT32));
  at.set_output(x);
}

void lower_group_norm(Lowering& at) {
  refuse_statistics(at);
  TensorId x = at.input("input", Type::FLOAT32);
  const Sizes shape = at.shape(x);
  const int64_t groups = at.integer(at.node().has_arg("num_groups") ? "num_groups" : "group");
  const double epsilon = at.number("eps");
  // One group needs no reshape, and neither does a group of one channel: both keep the channels where they are.
  Sizes axes;
  if (groups == 1) axes.push_back(1);
  for (size_t i = 2; i < shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if ((groups == 1 || groups == shape[1]) && !axes.empty()) {
    return at.set_output(channel_affine(at, normalize(at, x, axes, epsilon)));
  }
  int64_t area = 1;
  for (size_t i = 2; i < shape.size(); ++i) area *= shape[i];
  x = at.reshape(x, {shape[0], groups, shape[1] / groups, area});
  x = at.reshape(normalize(at, x, {2, 3}, epsilon), shape);
  at.set_output(channel_affine(at, x));
}

void lower_rms_norm(Lowering& at) {
  refuse_statistics(at);
  TensorId x = at.input("input", Type::FLOAT32);
  const double epsilon = at.has("eps") ? at.number("eps") : 1.1920928955078125e-07;
  const TensorId square = at.reduce(Op::MEAN, at.binary(Op::MUL, x, x), normalized_axes(at, at.rank(x)), true);
  x = at.binary(Op::MUL, x, at.unary(Op::RSQRT, at.binary(Op::ADD, square, at.scalar(epsilon, Type::FLOAT32))));
  if (at.has("weight")) x = at.binary(Op::MUL, x, at.input("weight", Type::FLOAT32));
  at.set_output(x);
}

// v * g / |v|, the norm being over all dimensions but one (weights that are parameters are folded beforehand).
void lower_weight_norm(Lowering& at) {
  refuse_statistics(at);
  const TensorId v = at.input("v", Type::FLOAT32);
  const int64_t dim = at.integer("dim");  // -1 stands for all
  Sizes axes;
  for (int64_t i = 0; i < at.rank(v); ++i) {
    if (i != dim) axes.push_back(i);
  }
  const TensorId inverse = at.unary(Op::RSQRT, at.reduce(Op::SUM, at.binary(Op::MUL, v, v), axes, true));
  at.set_output(at.binary(Op::MUL, v, at.binary(Op::MUL, at.input("g", Type::FLOAT32), inverse)));
}

}  // namespace

void register_normalization(Registry& registry) {
  registry.add({"layer_norm.default", "native_layer_norm.default"}, lower_layer_norm);
  registry.add({"group_norm.default", "native_group_norm.default"}, lower_group_norm);
  registry.add({"rms_norm.default", "_fused_rms_norm.default"}, lower_rms_norm);
  registry.add({"_weight_norm.default", "_weight_norm_interface.default"}, lower_weight_norm);
}

}  // namespace tinyml::lowering
