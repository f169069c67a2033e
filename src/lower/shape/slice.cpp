// slice, select, narrow and what writes into them: SLICE, STRIDED_SLICE for steps.
#include <algorithm>

#include "lower/registry.h"
#include "lower/shape/slice_axis.h"

namespace tinyml::lowering {

TensorId slice_axis(Lowering& at, TensorId x, int64_t axis, int64_t begin, int64_t count) {
  Sizes size = at.shape(x);
  Sizes start(size.size(), 0);
  start[static_cast<size_t>(axis)] = begin;
  size[static_cast<size_t>(axis)] = count;
  return at.slice(x, start, size);
}

namespace {

// Concatenation leaves empty tensors out; nothing else may read one.
bool is_only_concatenated(const Lowering& at) {
  const Value& value = at.graph().value(at.node().outputs[0]);
  return !at.graph().is_output(at.node().outputs[0]) &&
         std::all_of(value.users.begin(), value.users.end(), [&](NodeId user) {
           const std::string& op = at.graph().node(user).op;
           return op == "aten.cat.default" || op == "aten.concat.default" || op == "aten.concatenate.default";
         });
}

void lower_slice(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  const auto dim = static_cast<size_t>(axis);
  const Sizes shape = at.shape(x);
  const int64_t length = shape[dim];
  int64_t start = at.has("start") ? at.integer("start") : 0;
  if (start < 0) start += length;
  start = std::clamp<int64_t>(start, 0, length);
  if (at.has("end")) at.integer("end");
  const int64_t step = at.integer("step");
  const int64_t count = at.output_sizes()[dim];
  if (count == 0) {
    if (is_only_concatenated(at)) return at.set_output(at.add_tensor(at.type(x), at.output_sizes()));
    at.refuse("an empty slice", "leave the empty tensor out of the model");
  }
  if (step == 1) return at.set_output(slice_axis(at, x, axis, start, count));
  Sizes begin(shape.size(), 0);
  Sizes end = shape;
  Sizes strides(shape.size(), 1);
  begin[dim] = start;
  end[dim] = start + (count - 1) * step + 1;
  strides[dim] = step;
  at.set_output(at.strided_slice(x, begin, end, strides));
}

void lower_select(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  int64_t index = at.integer("index");
  if (index < 0) index += at.shape(x)[static_cast<size_t>(axis)];
  at.set_output(at.reshape(slice_axis(at, x, axis, index, 1), at.output_sizes()));
}

void lower_narrow(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  int64_t start = at.integer("start");
  if (start < 0) start += at.shape(x)[static_cast<size_t>(axis)];
  at.set_output(slice_axis(at, x, axis, start, at.integer("length")));
}

// The tensor with [start, start + count) of one dimension replaced by `part`.
TensorId replace_range(Lowering& at, TensorId x, TensorId part, int64_t axis, int64_t start) {
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  const int64_t end = start + at.shape(part)[static_cast<size_t>(axis)];
  std::vector<TensorId> parts;
  if (start > 0) parts.push_back(slice_axis(at, x, axis, 0, start));
  parts.push_back(part);
  if (end < length) parts.push_back(slice_axis(at, x, axis, end, length - end));
  return at.concatenate(parts, axis);
}

// What a write into a slice becomes.
void lower_slice_scatter(Lowering& at) {
  const TensorId x = at.input("self");
  const TensorId part = at.input("src", at.type(x));
  const int64_t axis = at.axis("dim", at.rank(x));
  const int64_t length = at.shape(x)[static_cast<size_t>(axis)];
  const int64_t step = at.integer("step");
  int64_t start = at.has("start") ? at.integer("start") : 0;
  start = std::clamp<int64_t>(start < 0 ? start + length : start, 0, length);
  const int64_t count = at.shape(part)[static_cast<size_t>(axis)];
  if (step == 1) return at.set_output(replace_range(at, x, part, axis, start));
  TensorId result = x;
  for (int64_t i = 0; i < count; ++i) {
    result = replace_range(at, result, slice_axis(at, part, axis, i, 1), axis, start + i * step);
  }
  at.set_output(result);
}

void lower_select_scatter(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  int64_t index = at.integer("index");
  if (index < 0) index += at.shape(x)[static_cast<size_t>(axis)];
  Sizes shape = at.shape(x);
  shape[static_cast<size_t>(axis)] = 1;
  const TensorId part = at.reshape(at.input("src", at.type(x)), shape);
  at.set_output(replace_range(at, x, part, axis, index));
}

}  // namespace

void register_slice(Registry& registry) {
  registry.add({"slice.Tensor", "slice_copy.Tensor"}, lower_slice, "an empty slice may only be concatenated");
  registry.add({"select.int", "select_copy.int"}, lower_select);
  registry.add({"slice_scatter.default"}, lower_slice_scatter);
  registry.add({"select_scatter.default"}, lower_select_scatter);
  registry.add({"narrow.default"}, lower_narrow);
}

}  // namespace tinyml::lowering
