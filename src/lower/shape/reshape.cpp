// view, reshape, flatten, squeeze, permute, expand, repeat, ...
#include <numeric>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// The output's shape says it all; what the arguments say is checked for dynamic sizes only.
void lower_reshape(Lowering& at) {
  for (const char* name : {"size", "shape", "sizes"}) {
    if (at.node().has_arg(name)) at.integers(name);
  }
  at.set_output(at.reshape(at.input(at.node().args[0].name), at.output_sizes()));
}

Sizes identity(int64_t rank) {
  Sizes order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

void lower_permute(Lowering& at) {
  const TensorId x = at.input("self");
  Sizes order = at.integers("dims");
  for (int64_t& axis : order) axis = axis < 0 ? axis + at.rank(x) : axis;
  at.set_output(at.transpose(x, order));
}

void lower_transpose(Lowering& at) {
  const TensorId x = at.input("self");
  Sizes order = identity(at.rank(x));
  const bool axes = at.node().has_arg("axis0");
  if (at.rank(x) > 1) {
    const int64_t first = at.axis(axes ? "axis0" : "dim0", at.rank(x));
    const int64_t second = at.axis(axes ? "axis1" : "dim1", at.rank(x));
    std::swap(order[static_cast<size_t>(first)], order[static_cast<size_t>(second)]);
  }
  at.set_output(at.transpose(x, order));
}

void lower_t(Lowering& at) {  // reverses the dimensions
  const TensorId x = at.input("self");
  Sizes order = identity(at.rank(x));
  at.set_output(at.transpose(x, {order.rbegin(), order.rend()}));
}

void lower_matrix_transpose(Lowering& at) {
  const TensorId x = at.input("self");
  Sizes order = identity(at.rank(x));
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  at.set_output(at.transpose(x, order));
}

void lower_movedim(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t rank = at.rank(x);
  Sizes source = at.integers("source");
  Sizes destination = at.integers("destination");
  Sizes order(static_cast<size_t>(rank), -1);
  std::vector<bool> moved(static_cast<size_t>(rank), false);
  for (size_t i = 0; i < source.size(); ++i) {
    const int64_t from = source[i] < 0 ? source[i] + rank : source[i];
    const int64_t to = destination[i] < 0 ? destination[i] + rank : destination[i];
    order[static_cast<size_t>(to)] = from;
    moved[static_cast<size_t>(from)] = true;
  }
  int64_t next = 0;
  for (int64_t& axis : order) {
    if (axis >= 0) continue;
    while (moved[static_cast<size_t>(next)]) ++next;
    axis = next++;
  }
  at.set_output(at.transpose(x, order));
}

void lower_expand(Lowering& at) {
  const TensorId x = at.input("self");
  Sizes shape = at.shape(x);
  shape.insert(shape.begin(), at.output_sizes().size() - shape.size(), 1);
  at.set_output(at.broadcast_to(at.reshape(x, shape), at.output_sizes()));
}

void lower_broadcast_tensors(Lowering& at) {
  const std::vector<TensorId> tensors = at.inputs("tensors");
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!at.wants_output(i)) continue;
    Sizes shape = at.shape(tensors[i]);
    shape.insert(shape.begin(), at.output_sizes(i).size() - shape.size(), 1);
    at.set_output(i, at.broadcast_to(at.reshape(tensors[i], shape), at.output_sizes(i)));
  }
}

// Each vector along a dimension of its own; with "xy" the first two change places.
void lower_meshgrid(Lowering& at) {
  const std::vector<TensorId> tensors = at.inputs("tensors");
  const bool swapped = at.node().has_arg("indexing") && at.node().arg("indexing").as_string() == "xy";
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!at.wants_output(i)) continue;
    const size_t dim = swapped && i < 2 && tensors.size() > 1 ? 1 - i : i;
    Sizes shape(tensors.size(), 1);
    shape[dim] = at.output_sizes(i)[dim];
    at.set_output(i, at.broadcast_to(at.reshape(tensors[i], shape), at.output_sizes(i)));
  }
}

void lower_repeat(Lowering& at) {
  TensorId x = at.input("self");
  Sizes repeats = at.integers(at.node().has_arg("repeats") ? "repeats" : "dims");
  Sizes shape = at.shape(x);
  const size_t rank = std::max(shape.size(), repeats.size());
  shape.insert(shape.begin(), rank - shape.size(), 1);
  repeats.insert(repeats.begin(), rank - repeats.size(), 1);
  x = at.reshape(x, shape);
  if (at.output_sizes() == shape) return at.set_output(x);
  at.set_output(at.emit(Op::TILE, {x, at.indices(repeats)}, at.type(x), at.output_sizes()));
}

// Every element of a dimension `repeats` times: a new dimension after it, broadcast and merged.
void lower_repeat_interleave(Lowering& at) {
  TensorId x = at.input("self");
  const int64_t repeats = at.integer("repeats");
  int64_t axis = 0;
  if (at.has("dim")) {
    axis = at.axis("dim", at.rank(x));
  } else {
    x = at.reshape(x,
                   at.output_sizes().empty() ? Sizes{1} : Sizes{at.output_sizes()[0] / std::max<int64_t>(repeats, 1)});
  }
  Sizes shape = at.shape(x);
  shape.insert(shape.begin() + axis + 1, 1);
  x = at.reshape(x, shape);
  shape[static_cast<size_t>(axis) + 1] = repeats;
  at.set_output(at.reshape(at.broadcast_to(x, shape), at.output_sizes()));
}

}  // namespace

void register_reshape(Registry& registry) {
  registry.add(
      {"view.default", "reshape.default", "_unsafe_view.default", "flatten.using_ints", "unflatten.int",
       "squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default", "reshape_as.default", "view_as.default",
       "view_copy.default", "atleast_1d.default", "atleast_2d.default", "atleast_3d.default", "ravel.default"},
      lower_reshape);
  registry.add({"permute.default", "permute_copy.default"}, lower_permute);
  registry.add({"transpose.int", "swapaxes.default", "swapdims.default", "transpose_copy.int"}, lower_transpose);
  registry.add({"t.default", "numpy_T.default"}, lower_t);
  registry.add({"mT.default", "adjoint.default"}, lower_matrix_transpose);
  registry.add({"movedim.int", "movedim.intlist", "moveaxis.int", "moveaxis.intlist"}, lower_movedim);
  registry.add({"expand.default", "expand_as.default", "broadcast_to.default", "expand_copy.default"}, lower_expand);
  registry.add({"broadcast_tensors.default"}, lower_broadcast_tensors);
  registry.add({"meshgrid.default", "meshgrid.indexing"}, lower_meshgrid);
  registry.add({"repeat.default", "tile.default"}, lower_repeat);
  registry.add({"repeat_interleave.self_int"}, lower_repeat_interleave);
}

}  // namespace tinyml::lowering
