// Reading elements by position: GATHER along one dimension, or of a flattened tensor.
#include "lower/registry.h"
#include "lower/shape/advanced_index.h"

namespace tinyml::lowering {
namespace {

void lower_index_select(Lowering& at) {
  const TensorId x = at.input("self");
  if (at.rank(x) == 0) return at.set_output(x);
  const int64_t axis = at.axis("dim", at.rank(x));
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  const Positions rows = read_positions(at, at.node().arg("index").as_value(), length, false);
  at.set_output(at.reshape(at.gather(x, to_tensor(at, rows), axis), at.output_sizes()));
}

void lower_index(Lowering& at) {
  const TensorId x = at.input("self");
  const AdvancedIndex index = read_advanced_index(at, at.shape(x));
  const TensorId merged = at.reshape(at.transpose(x, index.order), index.merged);
  at.set_output(at.reshape(at.gather(merged, to_tensor(at, index.rows), index.axis), at.output_sizes()));
}

void lower_take(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t count = element_count(at.shape(x));
  at.set_output(pick(at, x, read_positions(at, at.node().arg("index").as_value(), count, true)));
}

// Each element of the index is a position along one dimension; the others are its own.
void gather_along(Lowering& at, const char* index_name, int64_t axis) {
  const TensorId x = at.input("self");
  const int64_t length = at.rank(x) == 0 ? 1 : at.shape(x)[static_cast<size_t>(axis)];
  const Positions index = read_positions(at, at.node().arg(index_name).as_value(), length, false);
  if (at.rank(x) == 0) return at.set_output(pick(at, x, index));
  at.set_output(pick(at, x, along_axis(at, index, axis, at.shape(x), at.output_sizes())));
}

void lower_gather(Lowering& at) {
  gather_along(at, "index", at.axis("dim", static_cast<int64_t>(at.sizes("self").size())));
}

void lower_take_along_dim(Lowering& at) {
  if (at.has("dim")) return gather_along(at, "indices", at.axis("dim", static_cast<int64_t>(at.sizes("self").size())));
  const TensorId x = at.input("self");  // both flattened
  const int64_t count = element_count(at.shape(x));
  const Positions index = read_positions(at, at.node().arg("indices").as_value(), count, false);
  at.set_output(at.reshape(pick(at, x, index), at.output_sizes()));
}

// As often as a list says, which must be known.
void lower_repeat_interleave(Lowering& at) {
  TensorId x = at.input("self");
  const std::vector<double> repeats = at.require_constant("repeats").to_doubles();
  if (!at.has("dim")) x = at.reshape(x, {element_count(at.shape(x))});
  const int64_t axis = at.has("dim") ? at.axis("dim", at.rank(x)) : 0;
  Sizes rows;
  for (int64_t i = 0; i < at.shape(x)[static_cast<size_t>(axis)]; ++i) {
    rows.insert(rows.end(), static_cast<size_t>(repeats[repeats.size() == 1 ? 0 : static_cast<size_t>(i)]), i);
  }
  at.set_output(at.gather(x, rows, axis));
}

}  // namespace

void register_indexing(Registry& registry) {
  constexpr auto kMask = "a mask must be a constant: the size of the result would depend on data";
  registry.add({"index_select.default"}, lower_index_select);
  registry.add({"index.Tensor", "_unsafe_index.Tensor"}, lower_index, kMask);
  registry.add({"take.default"}, lower_take);
  registry.add({"gather.default"}, lower_gather);
  registry.add({"take_along_dim.default"}, lower_take_along_dim);
  registry.add({"repeat_interleave.self_Tensor"}, lower_repeat_interleave, "repeats is a constant");
}

}  // namespace tinyml::lowering
