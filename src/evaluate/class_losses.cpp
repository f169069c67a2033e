// Losses of log-probabilities against classes. Inputs are [C], [N, C] or [N, C, d1, ...].
#include <fmt/format.h>

#include "evaluate/algebra.h"
#include "evaluate/registry.h"
#include "evaluate/softmax.h"

namespace tinyml::evaluation {
namespace {

int64_t class_dim(const Tensor& input) {
  if (input.rank() == 0) throw Error("a dimension of classes is expected");
  return input.rank() == 1 ? 0 : 1;
}

/// Of the classes, shaped to multiply an input of that rank; ones where none is given.
Tensor class_weights(const OperatorCall& call, const Tensor& input) {
  const int64_t dim = class_dim(input);
  Sizes shape(input.shape().size(), 1);
  shape[static_cast<size_t>(dim)] = input.size(dim);
  if (call.is_none("weight")) return apply(Tensor(ScalarType::kFloat64, shape), [](double) { return 1.0; });
  const Tensor weight = real(call, "weight");
  if (weight.numel() != input.size(dim)) throw Error("one weight for each class is expected");
  return weight.reshaped(shape);
}

/// 1 at each target's class and 0 elsewhere, in the shape of the input; all 0 where the target is `ignored`.
Tensor one_hot_targets(const Tensor& input, const Tensor& targets, int64_t ignored) {
  const int64_t dim = class_dim(input);
  Tensor moved(ScalarType::kFloat64, move_to_end(input, dim).shape());
  const int64_t classes = input.size(dim);
  const Tensor indices = targets.to(ScalarType::kInt64);
  const auto values = indices.data<int64_t>();
  if (static_cast<int64_t>(values.size()) * classes != input.numel()) throw Error("the target does not fit the input");
  double* out = moved.mutable_data<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == ignored) continue;
    if (values[i] < 0 || values[i] >= classes) throw Error(fmt::format("no class {} of {}", values[i], classes));
    out[static_cast<int64_t>(i) * classes + values[i]] = 1;
  }
  return move_from_end(moved, dim);
}

/// `loss` for each element and the weight that a mean divides by.
Tensor reduced(const OperatorCall& call, const Tensor& loss, const Tensor& total_weight, ScalarType type) {
  const int64_t reduction = call.integer("reduction");
  if (reduction == 0) return loss.to(type);
  const Tensor total = sum(loss);
  if (reduction == 2) return total.to(type);
  return apply(total, total_weight, [](double a, double b) { return a / b; }).to(type);
}

Tensor negated(const Tensor& x) { return x * -1.0; }

std::vector<Tensor> nll_loss(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor input = real(self);
  const Tensor chosen =
      one_hot_targets(input, call.tensor("target"), call.integer("ignore_index")) * class_weights(call, input);
  const Tensor loss = negated(sum(input * chosen, {class_dim(input)}));
  const Tensor total = sum(chosen);
  return {reduced(call, loss, total, self.type()), total.to(self.type())};
}

Tensor nll_loss_only(const OperatorCall& call) { return nll_loss(call)[0]; }

/// Targets are classes, or probabilities in the shape of the input.
Tensor cross_entropy_loss(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor input = real(self);
  const Sizes dim{class_dim(input)};
  const auto classes = static_cast<double>(input.size(dim[0]));
  const double smoothing = call.number("label_smoothing");
  const Tensor target = call.tensor("target");
  const Tensor weights = class_weights(call, input);
  const Tensor logs = log_softmax(input, dim[0]) * weights;
  const bool probabilities = is_floating_point(target.type());
  if (probabilities && target.shape() != input.shape()) throw Error("the target does not fit the input");
  const Tensor hot = probabilities ? real(target) : one_hot_targets(input, target, call.integer("ignore_index"));
  const Tensor counted = probabilities ? Tensor::scalar(1.0) : sum(hot, dim, true);  // 0 where a target is ignored
  const Tensor smooth =
      apply(hot, counted, [=](double t, double c) { return t * (1 - smoothing) + c * smoothing / classes; });
  const Tensor loss = negated(sum(logs * smooth, dim));
  const Tensor total =
      probabilities ? Tensor::scalar(static_cast<double>(input.numel()) / classes) : sum(hot * weights);
  return reduced(call, loss, total, self.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.nll_loss.default", nll_loss_only},      {"aten.nll_loss2d.default", nll_loss_only},
    {"aten.nll_loss_nd.default", nll_loss_only},   {"aten.nll_loss_forward.default", nll_loss},
    {"aten.nll_loss2d_forward.default", nll_loss}, {"aten.cross_entropy_loss.default", cross_entropy_loss},
};

}  // namespace

std::span<const OperatorEntry> class_loss_operators() { return kOperators; }

}  // namespace tinyml::evaluation
