// Losses of pairs of tensors; `reduction` is 0 for none, 1 for the mean, 2 for the sum.
#include <numbers>

#include "evaluate/algebra.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

Tensor reduced(const OperatorCall& call, const Tensor& values, ScalarType type) {
  const int64_t reduction = call.integer("reduction");
  if (reduction == 0) return values.to(type);
  const Tensor total = sum(values);
  return (reduction == 1 ? total * (1 / static_cast<double>(values.numel())) : total).to(type);
}

constexpr std::string_view kSelf[] = {"self", "target"};

/// f(prediction, target) for each pair, reduced.
template <typename F>
Tensor pair_loss(const OperatorCall& call, F f) {
  return reduced(call, apply(real(call, "self"), real(call, "target"), f), common_type(call, kSelf, true));
}

Tensor mse_loss(const OperatorCall& call) {
  return pair_loss(call, [](double x, double y) { return (x - y) * (x - y); });
}

Tensor l1_loss(const OperatorCall& call) {
  return pair_loss(call, [](double x, double y) { return std::fabs(x - y); });
}

Tensor smooth_l1_loss(const OperatorCall& call) {
  return pair_loss(call, [beta = call.number("beta")](double x, double y) {
    const double d = std::fabs(x - y);
    return d < beta ? 0.5 * d * d / beta : d - 0.5 * beta;
  });
}

Tensor huber_loss(const OperatorCall& call) {
  return pair_loss(call, [delta = call.number("delta")](double x, double y) {
    const double d = std::fabs(x - y);
    return d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
  });
}

Tensor kl_div(const OperatorCall& call) {
  const bool log_target = call.boolean("log_target");
  return pair_loss(call, [log_target](double x, double y) {
    if (log_target) return std::exp(y) * (y - x);
    return y == 0 ? 0.0 : y * (std::log(y) - x);
  });
}

Tensor hinge_embedding_loss(const OperatorCall& call) {
  return pair_loss(call, [margin = call.number("margin")](double x, double y) {
    return (y != 1 ? std::max(margin - x, 0.0) : 0.0) + (y != -1 ? x : 0.0);
  });
}

Tensor soft_margin_loss(const OperatorCall& call) {
  return pair_loss(call, [](double x, double y) { return std::log1p(std::exp(-x * y)); });
}

Tensor weighted(const OperatorCall& call, const Tensor& loss) {
  return reduced(call, call.is_none("weight") ? loss : loss * real(call, "weight"), common_type(call, kSelf, true));
}

/// Logarithms are bounded by -100.
Tensor binary_cross_entropy(const OperatorCall& call) {
  return weighted(call, apply(real(call, "self"), real(call, "target"), [](double x, double y) {
                    return (y - 1) * std::max(std::log1p(-x), -100.0) - y * std::max(std::log(x), -100.0);
                  }));
}

Tensor binary_cross_entropy_with_logits(const OperatorCall& call) {
  const Tensor x = real(call, "self");
  const Tensor y = real(call, "target");
  const auto below = [](double v) { return std::log1p(std::exp(-std::fabs(v))) + std::max(-v, 0.0); };
  const Tensor rest = apply(x, y, [](double a, double b) { return (1 - b) * a; });
  if (call.is_none("pos_weight")) return weighted(call, rest + apply(x, below));
  const Tensor factor = apply(real(call, "pos_weight"), y, [](double w, double b) { return 1 + (w - 1) * b; });
  return weighted(call, rest + factor * apply(x, below));
}

Tensor poisson_nll_loss(const OperatorCall& call) {
  const bool log_input = call.boolean("log_input");
  const bool full = call.boolean("full");
  const double eps = call.number("eps");
  constexpr std::string_view kNames[] = {"input", "target"};
  const Tensor loss = apply(real(call, "input"), real(call, "target"), [=](double x, double y) {
    double value = log_input ? std::exp(x) - y * x : x - y * std::log(x + eps);
    if (full && y > 1) value += y * std::log(y) - y + 0.5 * std::log(2 * std::numbers::pi * y);
    return value;
  });
  return reduced(call, loss, common_type(call, kNames, true));
}

Tensor cosine_embedding_loss(const OperatorCall& call) {
  constexpr double kEps = 1e-12;
  constexpr std::string_view kNames[] = {"input1", "input2"};
  const Tensor x = real(call, "input1");
  const Tensor y = real(call, "input2");
  const Tensor target = real(call, "target");
  const Sizes dim{target.rank()};
  const Tensor lengths =
      apply(sum(x * x, dim), sum(y * y, dim), [](double a, double b) { return std::sqrt((a + kEps) * (b + kEps)); });
  const Tensor cosine = apply(sum(x * y, dim), lengths, [](double a, double b) { return a / b; });
  const double margin = call.number("margin");
  const Tensor loss = apply(cosine, target, [margin](double c, double t) {
    return (t == 1 ? 1 - c : 0.0) + (t == -1 ? std::max(c - margin, 0.0) : 0.0);
  });
  return reduced(call, loss, common_type(call, kNames, true));
}

Tensor margin_ranking_loss(const OperatorCall& call) {
  constexpr std::string_view kNames[] = {"input1", "input2", "target"};
  const double margin = call.number("margin");
  const Tensor loss = apply(real(call, "target"), real(call, "input1") - real(call, "input2"),
                            [margin](double t, double d) { return std::max(margin - t * d, 0.0); });
  return reduced(call, loss, common_type(call, kNames, true));
}

Tensor triplet_margin_loss(const OperatorCall& call) {
  constexpr std::string_view kNames[] = {"anchor", "positive", "negative"};
  const Tensor anchor = real(call, "anchor");
  const Tensor positive = real(call, "positive");
  const Tensor negative = real(call, "negative");
  const double eps = call.number("eps");
  const auto distance = [&](const Tensor& x, const Tensor& y) {
    const Tensor difference = apply(x, y, [eps](double a, double b) { return a - b + eps; });
    return vector_norm(difference, {difference.rank() - 1}, call.number("p"));
  };
  Tensor far = distance(anchor, negative);
  if (call.boolean("swap")) {
    far = apply(far, distance(positive, negative), [](double a, double b) { return std::min(a, b); });
  }
  const double margin = call.number("margin");
  const Tensor loss = apply(distance(anchor, positive), far,
                            [margin](double near, double away) { return std::max(margin + near - away, 0.0); });
  return reduced(call, loss, common_type(call, kNames, true));
}

constexpr OperatorEntry kOperators[] = {
    {"aten.mse_loss.default", mse_loss},
    {"aten.l1_loss.default", l1_loss},
    {"aten.smooth_l1_loss.default", smooth_l1_loss},
    {"aten.huber_loss.default", huber_loss},
    {"aten.kl_div.default", kl_div},
    {"aten.hinge_embedding_loss.default", hinge_embedding_loss},
    {"aten.soft_margin_loss.default", soft_margin_loss},
    {"aten.binary_cross_entropy.default", binary_cross_entropy},
    {"aten.binary_cross_entropy_with_logits.default", binary_cross_entropy_with_logits},
    {"aten.poisson_nll_loss.default", poisson_nll_loss},
    {"aten.cosine_embedding_loss.default", cosine_embedding_loss},
    {"aten.margin_ranking_loss.default", margin_ranking_loss},
    {"aten.triplet_margin_loss.default", triplet_margin_loss},
};

}  // namespace

std::span<const OperatorEntry> loss_operators() { return kOperators; }

}  // namespace tinyml::evaluation
