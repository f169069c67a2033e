// cross_entropy_loss and nll_loss: log probabilities times the one-hot form of the targets.
#include "lower/nn/losses.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

TensorId number(Lowering& at, double value) { return at.scalar(value, Type::FLOAT32); }

// [N, C, ...] or [C] as rows of classes.
TensorId class_rows(Lowering& at, TensorId x) {
  const int64_t rank = at.rank(x);
  Sizes order;
  for (int64_t i = 0; i < rank; ++i) {
    if (i != 1 || rank == 1) order.push_back(i);
  }
  if (rank > 1) order.push_back(1);
  const TensorId last = at.transpose(x, order);
  const int64_t classes = at.shape(last).back();
  int64_t rows = 1;
  for (int64_t i = 0; i + 1 < rank; ++i) rows *= at.shape(last)[static_cast<size_t>(i)];
  return at.reshape(last, {rows, classes});
}

// One factor a class: the node's weight, zero for the class that is ignored. kNoTensor: all are 1.
TensorId class_weights(Lowering& at, int64_t classes, bool with_ignored) {
  const int64_t ignored = at.integer("ignore_index");
  TensorId weights = at.has("weight") ? at.input("weight", Type::FLOAT32) : tflite::kNoTensor;
  if (!with_ignored || ignored < 0 || ignored >= classes) return weights;
  std::vector<float> mask(static_cast<size_t>(classes), 1);
  mask[static_cast<size_t>(ignored)] = 0;
  const TensorId counted = at.constant(std::move(mask), {classes});
  return weights == tflite::kNoTensor ? counted : at.binary(Op::MUL, weights, counted);
}

TensorId sum_classes(Lowering& at, TensorId x) { return at.reduce(Op::SUM, x, {1}, false); }

// Rows of losses [rows] to the node's output; the mean is over `total`.
void finish(Lowering& at, TensorId losses, TensorId total) {
  const int64_t reduction = at.integer("reduction");
  if (reduction == 0) return at.set_output(at.reshape(losses, at.output_sizes()));
  TensorId sum = at.reduce(Op::SUM, losses, {0}, false);
  if (reduction == 1) sum = at.binary(Op::DIV, sum, total);
  at.set_output(sum);
}

// Targets are probabilities of the classes.
void lower_soft_targets(Lowering& at, TensorId log_probability) {
  const Sizes shape = at.shape(log_probability);
  const double smoothing = at.number("label_smoothing");
  TensorId target = class_rows(at, at.input("target", Type::FLOAT32));
  if (smoothing != 0) {
    target = at.binary(Op::MUL, target, number(at, 1 - smoothing));
    target = at.binary(Op::ADD, target, number(at, smoothing / static_cast<double>(shape[1])));
  }
  TensorId product = at.binary(Op::MUL, log_probability, target);
  if (const TensorId weights = class_weights(at, shape[1], false); weights != tflite::kNoTensor) {
    product = at.binary(Op::MUL, product, weights);
  }
  finish(at, at.unary(Op::NEG, sum_classes(at, product)), number(at, static_cast<double>(shape[0])));
}

// Targets are numbers of classes; rows whose target is no class, or the ignored one, are all zeros.
void lower_hard_targets(Lowering& at, TensorId log_probability, double smoothing) {
  const Sizes shape = at.shape(log_probability);
  const TensorId target = at.reshape(at.input("target", Type::INT32), {shape[0]});
  const TensorId depth = at.scalar(static_cast<double>(shape[1]), Type::INT32);
  const TensorId hits = at.emit(Op::ONE_HOT, {target, depth, number(at, 1), number(at, 0)}, Type::FLOAT32, shape,
                                tflite::OneHotOptions{-1});
  const TensorId weights = class_weights(at, shape[1], true);
  const TensorId weighted = weights == tflite::kNoTensor ? hits : at.binary(Op::MUL, hits, weights);
  const TensorId total = at.reduce(Op::SUM, weighted, {0, 1}, false);
  TensorId losses = at.unary(Op::NEG, sum_classes(at, at.binary(Op::MUL, log_probability, weighted)));
  if (smoothing != 0) {
    const TensorId own = class_weights(at, shape[1], false);
    const TensorId all = own == tflite::kNoTensor ? log_probability : at.binary(Op::MUL, log_probability, own);
    const TensorId ignored = class_weights(at, shape[1], true);
    // 1 for rows that count.
    const TensorId counts =
        at.unary(Op::SIGN, sum_classes(at, ignored == tflite::kNoTensor ? hits : at.binary(Op::MUL, hits, ignored)));
    const TensorId spread = at.binary(Op::MUL, at.unary(Op::NEG, sum_classes(at, all)), counts);
    losses = at.binary(Op::ADD, at.binary(Op::MUL, losses, number(at, 1 - smoothing)),
                       at.binary(Op::MUL, spread, number(at, smoothing / static_cast<double>(shape[1]))));
  }
  finish(at, losses, total);
}

void lower_cross_entropy(Lowering& at) {
  const TensorId x = class_rows(at, at.input("self", Type::FLOAT32));
  const TensorId log_probability = at.unary(Op::LOG_SOFTMAX, x);
  const ScalarType target = at.graph().tensor_type(at.node().arg("target").as_value()).type;
  if (is_floating_point(target)) return lower_soft_targets(at, log_probability);
  lower_hard_targets(at, log_probability, at.number("label_smoothing"));
}

void lower_nll(Lowering& at) {
  if (at.wants_output(1)) at.refuse("the total weight is used, which only training needs", "use the loss alone");
  lower_hard_targets(at, class_rows(at, at.input("self", Type::FLOAT32)), 0);
}

}  // namespace

void register_class_losses(Registry& registry) {
  registry.add({"cross_entropy_loss.default"}, lower_cross_entropy);
  registry.add({"nll_loss_nd.default", "nll_loss.default", "nll_loss2d.default", "nll_loss_forward.default",
                "nll_loss2d_forward.default"},
               lower_nll, "the loss alone, without its total weight");
}

}  // namespace tinyml::lowering
