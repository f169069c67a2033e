// Classes and intervals: one_hot, bucketize, searchsorted.
#include "lower/registry.h"
#include "lower/shape/positions.h"

namespace tinyml::lowering {
namespace {

void lower_one_hot(Lowering& at) {
  const TensorId index = at.input("self", Type::INT32);
  const int64_t classes = at.output_sizes().back();
  const TensorId depth = at.scalar(static_cast<double>(classes), Type::INT32);
  at.set_output(at.emit(Op::ONE_HOT, {index, depth, at.scalar(1, Type::INT32), at.scalar(0, Type::INT32)}, Type::INT32,
                        at.output_sizes(), tflite::OneHotOptions{-1}));
}

// How many boundaries are below each value (or at it, with `right`): x [..., n], boundaries [n] or [..., m].
void count_boundaries(Lowering& at, TensorId x, TensorId boundaries) {
  const bool right =
      at.flag("right") || (at.node().has_arg("side") && at.has("side") && at.node().arg("side").as_string() == "right");
  Sizes columns = at.shape(x);
  columns.push_back(1);
  Sizes rows = at.shape(boundaries);
  if (rows.size() > 1) rows.insert(rows.end() - 1, 1);
  const TensorId below =
      at.compare(right ? Op::GREATER_EQUAL : Op::GREATER, at.reshape(x, columns), at.reshape(boundaries, rows));
  const auto last = static_cast<int64_t>(columns.size()) - 1;
  at.set_output(at.reduce(Op::SUM, at.cast(below, Type::INT32), {last}, false));
}

Type common_type(Lowering& at, TensorId a, TensorId b) {
  return at.type(a) == Type::FLOAT32 || at.type(b) == Type::FLOAT32 ? Type::FLOAT32 : Type::INT32;
}

void lower_bucketize(Lowering& at) {
  const TensorId boundaries = at.input("boundaries");
  TensorId x = at.node().arg("self").is_number() ? at.scalar(at.number("self"), Type::FLOAT32) : at.input("self");
  const Type type = common_type(at, x, boundaries);
  count_boundaries(at, at.cast(x, type), at.cast(boundaries, type));
}

void lower_searchsorted(Lowering& at) {
  if (at.has("sorter")) at.refuse("a sorter", "sort the sequence before");
  const TensorId boundaries = at.input("sorted_sequence");
  TensorId x = at.node().arg("self").is_number() ? at.scalar(at.number("self"), Type::FLOAT32) : at.input("self");
  const Type type = common_type(at, x, boundaries);
  count_boundaries(at, at.cast(x, type), at.cast(boundaries, type));
}

}  // namespace

void register_search(Registry& registry) {
  registry.add({"one_hot.default"}, lower_one_hot, "num_classes is given: otherwise it depends on data");
  registry.add({"bucketize.Tensor", "bucketize.Scalar"}, lower_bucketize);
  registry.add({"searchsorted.Tensor", "searchsorted.Scalar"}, lower_searchsorted, "no sorter");
}

}  // namespace tinyml::lowering
