// Operators that join tensors or repeat them.
#include <algorithm>

#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// Tensors of shape [0] are ignored, but for their type.
Tensor cat(const OperatorCall& call) {
  std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  const Tensor first = tensors[0];
  std::erase_if(tensors, [](const Tensor& tensor) { return tensor.rank() == 1 && tensor.numel() == 0; });
  if (tensors.empty()) tensors.push_back(first);
  return concatenate(tensors, call.integer("dim"));
}

/// Along the second dimension; vectors along their only one.
Tensor hstack(const OperatorCall& call) {
  std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  for (Tensor& tensor : tensors) {
    if (tensor.rank() == 0) tensor = tensor.reshaped({1});
  }
  return concatenate(tensors, tensors[0].rank() == 1 ? 0 : 1);
}

/// Along the first dimension; vectors become rows.
Tensor vstack(const OperatorCall& call) {
  std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  for (Tensor& tensor : tensors) {
    if (tensor.rank() < 2) tensor = tensor.reshaped({1, tensor.numel()});
  }
  return concatenate(tensors, 0);
}

Tensor stack(const OperatorCall& call) {
  std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  const int64_t dim = normalize_dim(call.integer("dim"), tensors[0].rank() + 1);
  for (Tensor& tensor : tensors) tensor = unsqueeze(tensor, dim);
  return concatenate(tensors, dim);
}

/// Copies along each dimension, new ones in front.
Tensor tile(const Tensor& tensor, Sizes repeats) {
  const size_t rank = std::max(repeats.size(), tensor.shape().size());
  repeats.insert(repeats.begin(), rank - repeats.size(), 1);
  Sizes shape = tensor.shape();
  shape.insert(shape.begin(), rank - shape.size(), 1);
  Tensor result = tensor.reshaped(shape);
  for (size_t i = 0; i < rank; ++i) {
    if (repeats[i] < 0) throw Error("a tensor cannot be repeated a negative number of times");
    if (repeats[i] == 1) continue;
    if (repeats[i] == 0) {
      result = slice(result, static_cast<int64_t>(i), 0, 0, 1);
      continue;
    }
    const std::vector<Tensor> copies(static_cast<size_t>(repeats[i]), result);
    result = concatenate(copies, static_cast<int64_t>(i));
  }
  return result;
}

Tensor repeat(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  Sizes repeats = call.integers("repeats");
  if (static_cast<int64_t>(repeats.size()) < self.rank()) throw Error("repeat: fewer factors than dimensions");
  return tile(self, std::move(repeats));
}

Tensor tile_operator(const OperatorCall& call) { return tile(call.tensor("self"), call.integers("dims")); }

/// Each index of a dimension as often as `repeats` says; without a dimension, of the flattened tensor.
Tensor repeat_indices(Tensor self, std::optional<int64_t> dim, const Sizes& repeats) {
  if (!dim) {
    self = self.reshaped({self.numel()});
    dim = 0;
  }
  const auto size = static_cast<size_t>(self.size(normalize_dim(*dim, self.rank())));
  if (repeats.size() != size && repeats.size() != 1)
    throw Error("repeat_interleave: one count for each index is expected");
  Sizes indices;
  for (size_t i = 0; i < size; ++i) {
    const int64_t count = repeats[repeats.size() == 1 ? 0 : i];
    if (count < 0) throw Error("repeat_interleave: a negative count");
    indices.insert(indices.end(), static_cast<size_t>(count), static_cast<int64_t>(i));
  }
  return self.index_select(*dim, indices);
}

Tensor repeat_interleave(const OperatorCall& call) {
  return repeat_indices(call.tensor("self"), call.optional_integer("dim"), {call.integer("repeats")});
}

Tensor repeat_interleave_each(const OperatorCall& call) {
  const Tensor repeats = call.tensor("repeats").to(ScalarType::kInt64);
  const auto counts = repeats.data<int64_t>();
  return repeat_indices(call.tensor("self"), call.optional_integer("dim"), {counts.begin(), counts.end()});
}

/// Each dimension's indices reversed.
Tensor flip(const OperatorCall& call) {
  Tensor result = call.tensor("self");
  for (int64_t dim : normalize_dims(call.integers("dims"), result.rank())) {
    result = reversed(result, dim);
  }
  return result;
}

Tensor roll_dim(const Tensor& tensor, int64_t dim, int64_t shift) {
  const int64_t size = tensor.size(normalize_dim(dim, tensor.rank()));
  if (size == 0) return tensor;
  const int64_t cut = ((-shift % size) + size) % size;
  const Tensor parts[] = {slice(tensor, dim, cut, size, 1), slice(tensor, dim, 0, cut, 1)};
  return concatenate(parts, dim);
}

Tensor roll(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Sizes shifts = call.integers("shifts");
  const Sizes dims = call.integers("dims");
  if (dims.empty()) {
    if (shifts.size() != 1) throw Error("roll: one shift is expected without dimensions");
    return roll_dim(self.reshaped({self.numel()}), 0, shifts[0]).reshaped(self.shape());
  }
  if (shifts.size() != dims.size()) throw Error("roll: as many shifts as dimensions are expected");
  Tensor result = self;
  for (size_t i = 0; i < dims.size(); ++i) result = roll_dim(result, dims[i], shifts[i]);
  return result;
}

std::vector<Tensor> meshgrid(const OperatorCall& call) {
  const std::vector<Tensor> tensors = call.tensors("tensors");
  const bool swap = call.node().has_arg("indexing") && call.string("indexing") == "xy" && tensors.size() >= 2;
  Sizes shape;
  for (const Tensor& tensor : tensors) shape.push_back(tensor.numel());
  std::vector<Tensor> result;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Sizes own(tensors.size(), 1);
    own[i] = tensors[i].numel();
    const Tensor grid = broadcast_to(tensors[i].reshaped(own), shape);
    result.push_back(swap ? transpose(grid, 0, 1) : grid);
  }
  return result;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.cat.default", cat},
    {"aten.concat.default", cat},
    {"aten.concatenate.default", cat},
    {"aten.hstack.default", hstack},
    {"aten.vstack.default", vstack},
    {"aten.stack.default", stack},
    {"aten.repeat.default", repeat},
    {"aten.tile.default", tile_operator},
    {"aten.repeat_interleave.self_int", repeat_interleave},
    {"aten.repeat_interleave.self_Tensor", repeat_interleave_each},
    {"aten.flip.default", flip},
    {"aten.roll.default", roll},
    {"aten.meshgrid.default", meshgrid},
    {"aten.meshgrid.indexing", meshgrid},
};

}  // namespace

std::span<const OperatorEntry> join_operators() { return kOperators; }

}  // namespace tinyml::evaluation
