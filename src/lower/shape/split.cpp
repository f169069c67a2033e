// split, chunk, unbind: SPLIT for two to four equal parts, else a SLICE for each part that is read.
#include "lower/registry.h"
#include "lower/shape/slice_axis.h"

namespace tinyml::lowering {
namespace {

// Parts as the outputs' shapes say. SPLIT only where all its outputs are read: what XNNPACK takes, and fewer operators.
void split(Lowering& at, TensorId x, int64_t axis) {
  const auto dim = static_cast<size_t>(axis);
  const size_t count = at.output_count();
  if (count == 1) return at.set_output(0, x);
  bool one_split = count <= 4;
  std::vector<Sizes> shapes;
  for (size_t i = 0; i < count; ++i) {
    shapes.push_back(at.output_sizes(i));
    one_split = one_split && at.wants_output(i) && shapes[i] == shapes[0];
  }
  if (one_split) {
    const TensorId split_axis = at.constant(std::vector<int32_t>{static_cast<int32_t>(axis)}, {});
    const std::vector<TensorId> parts =
        at.emit_many(Op::SPLIT, {split_axis, x}, at.type(x), shapes, tflite::SplitOptions{static_cast<int32_t>(count)});
    for (size_t i = 0; i < count; ++i) at.set_output(i, parts[i]);
    return;
  }
  int64_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    if (at.wants_output(i)) at.set_output(i, slice_axis(at, x, axis, begin, shapes[i][dim]));
    begin += shapes[i][dim];
  }
}

void lower_split(Lowering& at) {
  const TensorId x = at.input("self");
  split(at, x, at.axis("dim", at.rank(x)));
}

void lower_hsplit(Lowering& at) {
  const TensorId x = at.input("self");
  split(at, x, at.rank(x) == 1 ? 0 : 1);
}

void lower_vsplit(Lowering& at) { split(at, at.input("self"), 0); }
void lower_dsplit(Lowering& at) { split(at, at.input("self"), 2); }

void lower_unbind(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  for (size_t i = 0; i < at.output_count(); ++i) {
    if (!at.wants_output(i)) continue;
    at.set_output(i, at.reshape(slice_axis(at, x, axis, static_cast<int64_t>(i), 1), at.output_sizes(i)));
  }
}

}  // namespace

void register_split(Registry& registry) {
  registry.add({"split.Tensor", "split.sizes", "split_with_sizes.default", "split_with_sizes_copy.default",
                "split_copy.Tensor", "unsafe_split.Tensor", "unsafe_split_with_sizes.default", "chunk.default",
                "unsafe_chunk.default", "tensor_split.sections", "tensor_split.indices"},
               lower_split);
  registry.add({"hsplit.int", "hsplit.array"}, lower_hsplit);
  registry.add({"vsplit.int", "vsplit.array"}, lower_vsplit);
  registry.add({"dsplit.int", "dsplit.array"}, lower_dsplit);
  registry.add({"unbind.int", "unbind_copy.int"}, lower_unbind);
}

}  // namespace tinyml::lowering
