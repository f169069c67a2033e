// Losses of two tensors of one shape: mse, l1, smooth l1, Huber, binary cross-entropy, Kullback-Leibler, Poisson, soft
// margin and hinge.
#include "lower/nn/losses.h"

#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {

void reduce_loss(Lowering& at, TensorId losses) {
  const int64_t reduction = at.integer("reduction");
  if (reduction == 0) return at.set_output(losses);
  Sizes axes;
  for (int64_t i = 0; i < at.rank(losses); ++i) axes.push_back(i);
  at.set_output(at.reduce(reduction == 1 ? Op::MEAN : Op::SUM, losses, axes, false));
}

namespace {

TensorId number(Lowering& at, double value) { return at.scalar(value, Type::FLOAT32); }
TensorId input(Lowering& at, const char* name) { return at.input(name, Type::FLOAT32); }
TensorId times(Lowering& at, TensorId x, double factor) {
  return factor == 1 ? x : at.binary(Op::MUL, x, number(at, factor));
}
TensorId from(Lowering& at, double value, TensorId x) { return at.binary(Op::SUB, number(at, value), x); }
TensorId at_least(Lowering& at, TensorId x, double low) { return at.binary(Op::MAXIMUM, x, number(at, low)); }

void lower_mse(Lowering& at) {
  const TensorId difference = at.binary(Op::SUB, input(at, "self"), input(at, "target"));
  reduce_loss(at, at.binary(Op::MUL, difference, difference));
}

TensorId distance(Lowering& at) {
  return at.unary(Op::ABS, at.binary(Op::SUB, input(at, "self"), input(at, "target")));
}

void lower_l1(Lowering& at) { reduce_loss(at, distance(at)); }

// square * m^2 + linear * (|d| - m) with m = min(|d|, turn)
void square_then_linear(Lowering& at, double turn, double square, double linear) {
  const TensorId magnitude = distance(at);
  const TensorId near = at.binary(Op::MINIMUM, magnitude, number(at, turn));
  const TensorId curve = times(at, at.binary(Op::MUL, near, near), square);
  reduce_loss(at, at.binary(Op::ADD, curve, times(at, at.binary(Op::SUB, magnitude, near), linear)));
}

void lower_smooth_l1(Lowering& at) {
  const double beta = at.number("beta");
  if (beta == 0) return lower_l1(at);
  square_then_linear(at, beta, 0.5 / beta, 1);
}

void lower_huber(Lowering& at) { square_then_linear(at, at.number("delta"), 0.5, at.number("delta")); }

// -(t log x + (1 - t) log(1 - x)), logarithms not below -100
void lower_binary_cross_entropy(Lowering& at) {
  const TensorId x = input(at, "self");
  const TensorId target = input(at, "target");
  const TensorId hit = at_least(at, at.unary(Op::LOG, x), -100);
  const TensorId miss = at_least(at, at.unary(Op::LOG, from(at, 1, x)), -100);
  const TensorId sum =
      at.binary(Op::ADD, at.binary(Op::MUL, target, hit), at.binary(Op::MUL, from(at, 1, target), miss));
  TensorId loss = at.unary(Op::NEG, sum);
  if (at.has("weight")) loss = at.binary(Op::MUL, loss, input(at, "weight"));
  reduce_loss(at, loss);
}

// (1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))
void lower_binary_cross_entropy_with_logits(Lowering& at) {
  const TensorId x = input(at, "self");
  const TensorId target = input(at, "target");
  TensorId rest = softplus(at, at.unary(Op::NEG, x));
  if (at.has("pos_weight")) {
    const TensorId extra = at.binary(Op::SUB, input(at, "pos_weight"), number(at, 1));
    const TensorId factor = at.binary(Op::ADD, at.binary(Op::MUL, extra, target), number(at, 1));
    rest = at.binary(Op::MUL, factor, rest);
  }
  TensorId loss = at.binary(Op::ADD, at.binary(Op::MUL, from(at, 1, target), x), rest);
  if (at.has("weight")) loss = at.binary(Op::MUL, loss, input(at, "weight"));
  reduce_loss(at, loss);
}

// t (log t - x), nothing where t is zero; with log_target exp(t) (t - x)
void lower_kl_div(Lowering& at) {
  const TensorId x = input(at, "self");
  const TensorId target = input(at, "target");
  if (at.flag("log_target")) {
    return reduce_loss(at, at.binary(Op::MUL, at.unary(Op::EXP, target), at.binary(Op::SUB, target, x)));
  }
  const TensorId logarithm = at.unary(Op::LOG, at_least(at, target, 1e-37));
  reduce_loss(at, at.binary(Op::MUL, target, at.binary(Op::SUB, logarithm, x)));
}

// exp(x) - t x, or x - t log(x + eps); `full` adds Stirling's approximation of log t! for t > 1
void lower_poisson(Lowering& at) {
  const TensorId x = input(at, "input");
  const TensorId target = input(at, "target");
  TensorId loss = tflite::kNoTensor;
  if (at.flag("log_input")) {
    loss = at.binary(Op::SUB, at.unary(Op::EXP, x), at.binary(Op::MUL, target, x));
  } else {
    const TensorId logarithm = at.unary(Op::LOG, at.binary(Op::ADD, x, number(at, at.number("eps"))));
    loss = at.binary(Op::SUB, x, at.binary(Op::MUL, target, logarithm));
  }
  if (at.flag("full")) {
    constexpr double kTwoPi = 6.283185307179586;
    const TensorId t = at_least(at, target, 1);
    const TensorId logarithm = at.unary(Op::LOG, t);
    const TensorId half = at.binary(Op::ADD, times(at, logarithm, 0.5), number(at, 0.5 * std::log(kTwoPi)));
    const TensorId stirling = at.binary(Op::ADD, at.binary(Op::SUB, at.binary(Op::MUL, t, logarithm), t), half);
    const TensorId counts = at.compare(Op::GREATER, target, number(at, 1));
    loss = at.binary(Op::ADD, loss, at.select(counts, stirling, number(at, 0)));
  }
  reduce_loss(at, loss);
}

void lower_soft_margin(Lowering& at) {
  reduce_loss(at, softplus(at, at.unary(Op::NEG, at.binary(Op::MUL, input(at, "target"), input(at, "self")))));
}

// x where the target is not -1, plus max(margin - x, 0) where it is not 1
void lower_hinge_embedding(Lowering& at) {
  const TensorId x = input(at, "self");
  const TensorId target = input(at, "target");
  const TensorId zero = number(at, 0);
  const TensorId like = at.select(at.compare(Op::NOT_EQUAL, target, number(at, -1)), x, zero);
  const TensorId margin = at_least(at, from(at, at.number("margin"), x), 0);
  reduce_loss(at, at.binary(Op::ADD, like, at.select(at.compare(Op::NOT_EQUAL, target, number(at, 1)), margin, zero)));
}

}  // namespace

void register_losses(Registry& registry) {
  registry.add({"mse_loss.default"}, lower_mse);
  registry.add({"l1_loss.default"}, lower_l1);
  registry.add({"smooth_l1_loss.default"}, lower_smooth_l1);
  registry.add({"huber_loss.default"}, lower_huber);
  registry.add({"binary_cross_entropy.default"}, lower_binary_cross_entropy);
  registry.add({"binary_cross_entropy_with_logits.default"}, lower_binary_cross_entropy_with_logits);
  registry.add({"kl_div.default"}, lower_kl_div);
  registry.add({"poisson_nll_loss.default"}, lower_poisson);
  registry.add({"soft_margin_loss.default"}, lower_soft_margin);
  registry.add({"hinge_embedding_loss.default"}, lower_hinge_embedding);
}

}  // namespace tinyml::lowering
