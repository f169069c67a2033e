// Losses of distances between vectors: cosine_embedding, triplet_margin, margin_ranking.
#include "lower/nn/losses.h"
#include "lower/nn/similarity.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

TensorId number(Lowering& at, double value) { return at.scalar(value, Type::FLOAT32); }
TensorId at_least_zero(Lowering& at, TensorId x) { return at.unary(Op::RELU, x); }

// 1 - cos where the target is 1, max(cos - margin, 0) where it is -1
void lower_cosine_embedding(Lowering& at) {
  const TensorId target = at.input("target", Type::FLOAT32);
  const TensorId cosine = cosine_similarity(at, at.input("input1", Type::FLOAT32), at.input("input2", Type::FLOAT32),
                                            at.rank(target) == 0 ? 0 : 1, 1e-6, false);
  const TensorId zero = number(at, 0);
  const TensorId like = at.binary(Op::SUB, number(at, 1), cosine);
  TensorId unlike = cosine;
  if (const double margin = at.number("margin"); margin != 0) unlike = at.binary(Op::SUB, cosine, number(at, margin));
  const TensorId first = at.select(at.compare(Op::EQUAL, target, number(at, 1)), like, zero);
  const TensorId second = at.select(at.compare(Op::EQUAL, target, number(at, -1)), at_least_zero(at, unlike), zero);
  reduce_loss(at, at.binary(Op::ADD, first, second));
}

// max(margin + |a - p| - |a - n|, 0); under `swap` the nearer of |a - n| and |p - n| counts
void lower_triplet_margin(Lowering& at) {
  const TensorId anchor = at.input("anchor", Type::FLOAT32);
  const TensorId positive = at.input("positive", Type::FLOAT32);
  const TensorId negative = at.input("negative", Type::FLOAT32);
  const auto distance = [&](TensorId a, TensorId b) {
    return vector_distance(at, a, b, at.number("p"), at.number("eps"), false);
  };
  TensorId far = distance(anchor, negative);
  if (at.flag("swap")) far = at.binary(Op::MINIMUM, far, distance(positive, negative));
  const TensorId difference = at.binary(Op::SUB, distance(anchor, positive), far);
  reduce_loss(at, at_least_zero(at, at.binary(Op::ADD, difference, number(at, at.number("margin")))));
}

// max(-t (x1 - x2) + margin, 0)
void lower_margin_ranking(Lowering& at) {
  const TensorId difference = at.binary(Op::SUB, at.input("input2", Type::FLOAT32), at.input("input1", Type::FLOAT32));
  TensorId loss = at.binary(Op::MUL, at.input("target", Type::FLOAT32), difference);
  if (const double margin = at.number("margin"); margin != 0) loss = at.binary(Op::ADD, loss, number(at, margin));
  reduce_loss(at, at_least_zero(at, loss));
}

}  // namespace

void register_embedding_losses(Registry& registry) {
  registry.add({"cosine_embedding_loss.default"}, lower_cosine_embedding);
  registry.add({"triplet_margin_loss.default"}, lower_triplet_margin);
  registry.add({"margin_ranking_loss.default"}, lower_margin_ranking);
}

}  // namespace tinyml::lowering
