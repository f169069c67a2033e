// Tensor.unfold and as_strided: overlapping windows.
#include "lower/registry.h"
#include "lower/shape/positions.h"

namespace tinyml::lowering {
namespace {

// Windows of `size` elements every `step` along a dimension, which come last. Windows that lie side by side are a
// reshape, others a GATHER.
void lower_unfold(Lowering& at) {
  TensorId x = at.input("self");
  if (at.rank(x) == 0) return at.set_output(at.reshape(x, at.output_sizes()));
  const int64_t axis = at.axis("dimension", at.rank(x));
  const int64_t size = at.integer("size");
  const int64_t step = at.integer("step");
  const auto dim = static_cast<size_t>(axis);
  const int64_t count = at.output_sizes()[dim];
  Sizes shape = at.shape(x);
  if (size == step) {
    shape[dim] = count * size;
    x = at.slice(x, Sizes(shape.size(), 0), shape);
    shape[dim] = count;
    shape.insert(shape.begin() + axis + 1, size);
    x = at.reshape(x, shape);
  } else {
    Sizes positions;
    for (int64_t window = 0; window < count; ++window) {
      for (int64_t i = 0; i < size; ++i) positions.push_back(window * step + i);
    }
    x = at.gather(x, to_tensor(at, known_positions(std::move(positions), {count, size})), axis);
  }
  Sizes order;
  for (int64_t i = 0; i < at.rank(x); ++i) {
    if (i != axis + 1) order.push_back(i);
  }
  order.push_back(axis + 1);
  at.set_output(at.transpose(x, order));
}

// Where each element of the view lies in memory, and which element of the tensor that is.
void lower_as_strided(Lowering& at) {
  const TensorId x = at.input("self");
  const TensorType& type = at.graph().tensor_type(at.node().arg("self").as_value());
  const Sizes shape = at.shape(x);
  const Sizes row_major = row_major_strides(shape);
  Sizes memory;  // strides at capture
  for (const Dim& stride : type.strides) memory.push_back(stride.hint());
  if (memory.size() != shape.size()) memory = row_major;
  Sizes element(static_cast<size_t>(element_count(shape)), -1);
  for (int64_t i = 0; i < element_count(shape); ++i) {
    int64_t place = 0;
    for (size_t dim = 0; dim < shape.size(); ++dim) place += i / row_major[dim] % shape[dim] * memory[dim];
    if (place >= static_cast<int64_t>(element.size())) {
      at.refuse("a view of a view with gaps", "call .contiguous() before");
    }
    element[static_cast<size_t>(place)] = i;
  }
  const Sizes sizes = at.integers("size");
  const Sizes strides = at.integers("stride");
  const Sizes own = row_major_strides(sizes);
  const int64_t offset = at.has("storage_offset") ? at.integer("storage_offset") : 0;
  Sizes positions;
  for (int64_t i = 0; i < element_count(sizes); ++i) {
    int64_t place = offset;
    for (size_t dim = 0; dim < sizes.size(); ++dim) place += i / own[dim] % sizes[dim] * strides[dim];
    if (place < 0 || place >= static_cast<int64_t>(element.size())) {
      at.refuse("a view beyond the elements of its tensor", "take the view of the tensor that owns the memory");
    }
    positions.push_back(element[static_cast<size_t>(place)]);
  }
  at.set_output(pick(at, x, known_positions(std::move(positions), sizes)));
}

}  // namespace

void register_windows(Registry& registry) {
  registry.add({"unfold.default", "unfold_copy.default"}, lower_unfold);
  registry.add({"as_strided.default", "as_strided_copy.default"}, lower_as_strided,
               "the view lies within its tensor's elements");
}

}  // namespace tinyml::lowering
