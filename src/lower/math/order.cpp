// Sorting, top-k, order statistics: TOPK_V2, which finds the largest elements of the last dimension and puts equal ones
// in their original order.
#include <algorithm>
#include <cmath>

#include "lower/math/elementwise.h"
#include "lower/registry.h"
#include "lower/shape/slice_axis.h"

namespace tinyml::lowering {
namespace {

struct Sorted {
  TensorId values, indices;
};

// The first `count` elements of one dimension in order; ascending order is that of the negated elements.
Sorted sorted(Lowering& at, TensorId x, int64_t axis, int64_t count, bool descending) {
  if (at.rank(x) == 0) return {x, at.scalar(0, Type::INT32)};
  x = at.cast(x, at.type(x) == Type::BOOL ? Type::INT32 : computing_type(at.type(x)));
  if (!descending) x = at.unary(Op::NEG, x);
  const Sizes order = swap_with_last(axis, at.rank(x));
  x = at.transpose(x, order);
  Sizes shape = at.shape(x);
  shape.back() = count;
  const TensorId k = at.constant(std::vector<int32_t>{static_cast<int32_t>(count)}, {});
  const std::vector<TensorId> found = at.topk(x, k, shape);
  const TensorId values = descending ? found[0] : at.unary(Op::NEG, found[0]);
  return {at.transpose(values, order), at.transpose(found[1], order)};
}

int64_t length_of(const Lowering& at, TensorId x, int64_t axis) {
  return at.rank(x) == 0 ? 1 : at.shape(x)[static_cast<size_t>(axis)];
}

void set_both(Lowering& at, const Sorted& result) {
  if (at.wants_output(0)) at.set_output(0, at.reshape(result.values, at.output_sizes(0)));
  if (at.wants_output(1)) at.set_output(1, at.reshape(result.indices, at.output_sizes(1)));
}

void lower_topk(Lowering& at) {
  const TensorId x = at.input("self");
  set_both(at, sorted(at, x, at.axis("dim", at.rank(x)), at.integer("k"), at.flag("largest")));
}

Sorted sort(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.node().has_arg("dim") ? at.axis("dim", at.rank(x)) : 0;
  const bool descending = at.node().has_arg("descending") && at.flag("descending");
  return sorted(at, x, axis, length_of(at, x, axis), descending);
}

void lower_sort(Lowering& at) { set_both(at, sort(at)); }
void lower_argsort(Lowering& at) { at.set_output(sort(at).indices); }
void lower_msort(Lowering& at) { at.set_output(sort(at).values); }

// The element at `rank` (from zero) in ascending order, its dimension kept.
Sorted ranked(Lowering& at, TensorId x, int64_t axis, int64_t rank) {
  const Sorted lowest = sorted(at, x, axis, rank + 1, false);
  if (at.rank(x) == 0) return lowest;
  return {slice_axis(at, lowest.values, axis, rank, 1), slice_axis(at, lowest.indices, axis, rank, 1)};
}

void lower_kthvalue(Lowering& at) {
  const TensorId x = at.input("self");
  set_both(at, ranked(at, x, at.axis("dim", at.rank(x)), at.integer("k") - 1));
}

TensorId flattened(Lowering& at, TensorId x) {
  int64_t count = 1;
  for (const int64_t size : at.shape(x)) count *= size;
  return at.reshape(x, {count});
}

void lower_median(Lowering& at) {
  const TensorId x = flattened(at, at.input("self"));
  at.set_output(at.reshape(ranked(at, x, 0, (at.shape(x)[0] - 1) / 2).values, {}));
}

void lower_median_dim(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  set_both(at, ranked(at, x, axis, (length_of(at, x, axis) - 1) / 2));
}

// Between the elements around position q * (n - 1).
void lower_quantile(Lowering& at) {
  TensorId x = at.input("self", Type::FLOAT32);
  if (!at.has("dim")) x = flattened(at, x);
  const int64_t axis = at.has("dim") ? at.axis("dim", at.rank(x)) : 0;
  const double position = at.number("q") * static_cast<double>(length_of(at, x, axis) - 1);
  const auto below = static_cast<int64_t>(std::floor(position));
  const auto above = static_cast<int64_t>(std::ceil(position));
  const std::string& mode = at.node().arg("interpolation").as_string();
  double weight = position - static_cast<double>(below);
  if (mode == "lower") weight = 0;
  if (mode == "higher") weight = below == above ? 0 : 1;
  if (mode == "nearest") weight = std::nearbyint(position) - static_cast<double>(below);
  if (mode == "midpoint") weight = below == above ? 0 : 0.5;
  const TensorId lowest = sorted(at, x, axis, above + 1, false).values;
  if (at.rank(x) == 0) return at.set_output(lowest);
  const TensorId low = slice_axis(at, lowest, axis, below, 1);
  if (weight == 0) return at.set_output(at.reshape(low, at.output_sizes()));
  const TensorId step = at.binary(Op::SUB, slice_axis(at, lowest, axis, above, 1), low);
  at.set_output(at.reshape(at.binary(Op::ADD, low, at.binary(Op::MUL, step, number(at, weight))), at.output_sizes()));
}

}  // namespace

void register_order(Registry& registry) {
  constexpr auto kNoNan = "elements that are not a number have no place in the order";
  registry.add({"topk.default"}, lower_topk, "k is a number; equal elements keep their order");
  registry.add({"sort.default", "sort.stable"}, lower_sort, kNoNan);
  registry.add({"argsort.default", "argsort.stable"}, lower_argsort, kNoNan);
  registry.add({"msort.default"}, lower_msort, kNoNan);
  registry.add({"kthvalue.default"}, lower_kthvalue, kNoNan);
  registry.add({"median.default"}, lower_median, kNoNan);
  registry.add({"median.dim"}, lower_median_dim, "the first of equal elements; no element may be not a number");
  registry.add({"quantile.scalar"}, lower_quantile, "one quantile at a time, given as a number");
}

}  // namespace tinyml::lowering
