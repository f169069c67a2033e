// embedding: GATHER of rows; embedding_bag: GATHER and one reduction for all bags of equal size, else one for each bag.
#include <algorithm>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

void lower_embedding(Lowering& at) {
  at.set_output(at.gather(at.input("weight"), at.input("indices", Type::INT32), 0));
}

enum class BagMode { kSum = 0, kMean = 1, kMax = 2 };

// Rows [bags, size, width] to [bags, width]. `counts` [bags, size, 1]: 1 for rows that count and 0 for padding, or
// kNoTensor where all count.
TensorId reduce_bags(Lowering& at, TensorId rows, TensorId counts, BagMode mode) {
  const bool masked = counts != tflite::kNoTensor;
  if (mode == BagMode::kMax) {
    if (!masked) return at.reduce(Op::REDUCE_MAX, rows, {1}, false);
    const TensorId used = at.compare(Op::GREATER, counts, at.scalar(0, Type::FLOAT32));
    const TensorId peak =
        at.reduce(Op::REDUCE_MAX, at.select(used, rows, at.scalar(-3.0e38, Type::FLOAT32)), {1}, false);
    return at.binary(Op::MUL, peak, at.reduce(Op::REDUCE_MAX, counts, {1}, false));  // zero for a bag of padding alone
  }
  if (!masked) return at.reduce(mode == BagMode::kSum ? Op::SUM : Op::MEAN, rows, {1}, false);
  const TensorId sum = at.reduce(Op::SUM, at.binary(Op::MUL, rows, counts), {1}, false);
  if (mode == BagMode::kSum) return sum;
  const TensorId total = at.reduce(Op::SUM, counts, {1}, false);
  return at.binary(Op::DIV, sum, at.binary(Op::MAXIMUM, total, at.scalar(1, Type::FLOAT32)));
}

// First index of each bag and the end of the last.
Sizes bag_bounds(const Lowering& at, int64_t total) {
  Sizes bounds;
  if (at.constant_data("offsets") == nullptr) {
    at.refuse("bags whose offsets are known only at run time",
              "give bags of equal size as a matrix of indices, or register the offsets as a buffer");
  }
  for (const double offset : at.require_constant("offsets").to_doubles()) {
    bounds.push_back(std::min(static_cast<int64_t>(offset), total));
  }
  if (!at.flag("include_last_offset")) bounds.push_back(total);
  return bounds;
}

TensorId slice_rows(Lowering& at, TensorId x, int64_t begin, int64_t count) {
  Sizes start(at.shape(x).size(), 0);
  Sizes size = at.shape(x);
  start[0] = begin;
  size[0] = count;
  return at.slice(x, start, size);
}

void lower_embedding_bag(Lowering& at) {
  for (size_t i = 1; i < at.output_count(); ++i) {
    if (at.wants_output(i)) at.refuse("more than the bags' vectors is used", "use the first result alone");
  }
  const auto mode = static_cast<BagMode>(at.integer("mode"));
  const TensorId indices = at.input("indices", Type::INT32);
  const int64_t total = at.shape(indices)[0];
  const Sizes bounds = bag_bounds(at, total);
  const TensorId weight = at.input("weight", Type::FLOAT32);
  const int64_t width = at.shape(weight)[1];
  TensorId rows = at.gather(weight, indices, 0);
  if (at.has("per_sample_weights")) {
    rows = at.binary(Op::MUL, rows, at.reshape(at.input("per_sample_weights", Type::FLOAT32), {total, 1}));
  }
  TensorId counts = tflite::kNoTensor;
  if (at.node().has_arg("padding_idx") && at.has("padding_idx")) {
    int64_t padding = at.integer("padding_idx");
    const bool none = padding < 0 && at.node().op == "aten._embedding_bag.default";
    if (padding < 0) padding += at.shape(weight)[0];
    const TensorId id = at.scalar(static_cast<double>(padding), Type::INT32);
    if (!none) counts = at.reshape(at.cast(at.compare(Op::NOT_EQUAL, indices, id), Type::FLOAT32), {total, 1});
  }
  // Neighbouring bags of one size are reduced together.
  std::vector<TensorId> parts;
  const size_t bags = bounds.size() - 1;
  for (size_t bag = 0; bag < bags;) {
    const int64_t size = bounds[bag + 1] - bounds[bag];
    size_t next = bag + 1;
    while (next < bags && bounds[next + 1] - bounds[next] == size) ++next;
    const auto group = static_cast<int64_t>(next - bag);
    if (size == 0) {
      parts.push_back(at.constant(std::vector<float>(static_cast<size_t>(group * width), 0), {group, width}));
    } else {
      const TensorId own = at.reshape(slice_rows(at, rows, bounds[bag], group * size), {group, size, width});
      const TensorId own_counts = counts == tflite::kNoTensor
                                      ? counts
                                      : at.reshape(slice_rows(at, counts, bounds[bag], group * size), {group, size, 1});
      parts.push_back(reduce_bags(at, own, own_counts, mode));
    }
    bag = next;
  }
  at.set_output(0, at.concatenate(parts, 0));
}

}  // namespace

void register_embedding(Registry& registry) {
  registry.add({"embedding.default"}, lower_embedding);
  registry.add({"embedding_bag.default", "embedding_bag.padding_idx", "_embedding_bag.default"}, lower_embedding_bag,
               "bags of equal size, or constant offsets");
}

}  // namespace tinyml::lowering
