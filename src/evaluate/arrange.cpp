// Diagonals, mirrored and stacked matrices: elements of tensors in new places.
#include <fmt/format.h>

#include <algorithm>

#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// Rows of the last dimension on a diagonal of new matrices, zero elsewhere, in the last two dimensions.
Tensor on_diagonal(const Tensor& rows, int64_t offset) {
  const int64_t length = rows.size(-1);
  const int64_t size = length + std::abs(offset);
  Sizes shape = rows.shape();
  shape.back() = size;
  shape.push_back(size);
  const Tensor source = rows.contiguous();
  Tensor result(rows.type(), shape);
  const size_t element = size_of(rows.type());
  std::byte* out = result.mutable_bytes();
  for (int64_t i = 0; i < source.numel(); ++i) {
    const int64_t at = i % length;
    const int64_t row = i / length * size + at + std::max<int64_t>(-offset, 0);
    const int64_t to = row * size + at + std::max<int64_t>(offset, 0);
    const std::byte* from = source.bytes() + static_cast<size_t>(i) * element;
    std::copy(from, from + element, out + static_cast<size_t>(to) * element);
  }
  return result;
}

/// Of a matrix its diagonal, of a vector the matrix with that diagonal.
Tensor diag(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() != 1 && self.rank() != 2) throw Error("diag: a vector or a matrix is expected");
  const int64_t offset = call.integer("diagonal");
  return self.rank() == 1 ? on_diagonal(self, offset) : diagonal(self, offset, 0, 1);
}

Tensor diagflat(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return on_diagonal(self.reshaped({self.numel()}), call.integer("offset"));
}

Tensor diag_embed(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() == 0) throw Error("diag_embed: a dimension is expected");
  const int64_t rank = self.rank() + 1;
  const int64_t first = normalize_dim(call.integer("dim1"), rank);
  const int64_t second = normalize_dim(call.integer("dim2"), rank);
  if (first == second) throw Error("diag_embed: two different dimensions are expected");
  // A diagonal above the main one of (dim1, dim2) lies below that of (dim2, dim1).
  const Tensor matrices = on_diagonal(self, call.integer("offset"));
  Sizes order;
  int64_t next = 0;
  for (int64_t i = 0; i < rank; ++i) order.push_back(i == first ? rank - 2 : (i == second ? rank - 1 : next++));
  return matrices.permuted(order);
}

template <int64_t kDim>
Tensor mirrored(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() <= kDim) throw Error(fmt::format("a tensor of rank {} is too flat to be mirrored", self.rank()));
  return reversed(self, kDim);
}

/// k quarter turns from the first listed dimension towards the second.
Tensor rot90(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Sizes dims = normalize_dims(call.integers("dims"), self.rank());
  if (dims.size() != 2) throw Error("rot90: two dimensions are expected");
  switch (((call.integer("k") % 4) + 4) % 4) {
    case 1:
      return transpose(reversed(self, dims[1]), dims[0], dims[1]);
    case 2:
      return reversed(reversed(self, dims[0]), dims[1]);
    case 3:
      return transpose(reversed(self, dims[0]), dims[0], dims[1]);
    default:
      return self;
  }
}

template <int64_t kRank>
Tensor at_least(const Tensor& tensor) {
  Tensor result = tensor;
  if (kRank >= 1 && result.rank() == 0) result = result.reshaped({1});
  if (kRank >= 2 && result.rank() == 1) result = unsqueeze(result, 0);
  if (kRank >= 3 && result.rank() == 2) result = unsqueeze(result, 2);
  return result;
}

template <int64_t kRank>
Tensor atleast(const OperatorCall& call) {
  return at_least<kRank>(call.tensor("self"));
}

Tensor dstack(const OperatorCall& call) {
  std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  for (Tensor& tensor : tensors) tensor = at_least<3>(tensor);
  return concatenate(tensors, 2);
}

/// Vectors become columns.
Tensor column_stack(const OperatorCall& call) {
  std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  for (Tensor& tensor : tensors) {
    if (tensor.rank() < 2) tensor = tensor.reshaped({tensor.numel(), 1});
  }
  return concatenate(tensors, 1);
}

Tensor block_diag(const OperatorCall& call) {
  const std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  std::vector<Tensor> rows;
  int64_t width = 0;
  for (const Tensor& tensor : tensors) width += at_least<2>(tensor).size(1);
  int64_t before = 0;
  for (const Tensor& tensor : tensors) {
    const Tensor block = at_least<2>(tensor);
    const int64_t height = block.size(0);
    const Tensor parts[] = {Tensor(block.type(), {height, before}), block,
                            Tensor(block.type(), {height, width - before - block.size(1)})};
    rows.push_back(concatenate(parts, 1));
    before += block.size(1);
  }
  return concatenate(rows, 0);
}

std::vector<Tensor> broadcast_tensors(const OperatorCall& call) {
  std::vector<Tensor> tensors = call.tensors("tensors");
  std::vector<Sizes> shapes;
  for (const Tensor& tensor : tensors) shapes.push_back(tensor.shape());
  const Sizes shape = broadcast_shapes(shapes);
  for (Tensor& tensor : tensors) tensor = broadcast_to(tensor, shape);
  return tensors;
}

/// Every combination of elements of vectors, a row each, the last vector's changing fastest.
Tensor cartesian_prod(const OperatorCall& call) {
  const std::vector<Tensor> tensors = same_type(call.tensors("tensors"), call);
  if (tensors.size() == 1) return tensors[0];
  Sizes shape;
  for (const Tensor& tensor : tensors) shape.push_back(tensor.numel());
  std::vector<Tensor> columns;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Sizes own(tensors.size(), 1);
    own[i] = shape[i];
    columns.push_back(broadcast_to(tensors[i].reshaped(own), shape).contiguous().reshaped({product(shape), 1}));
  }
  return concatenate(columns, 1);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.diag.default", diag},
    {"aten.diagflat.default", diagflat},
    {"aten.diag_embed.default", diag_embed},
    {"aten.flipud.default", mirrored<0>},
    {"aten.fliplr.default", mirrored<1>},
    {"aten.rot90.default", rot90},
    {"aten.atleast_1d.default", atleast<1>},
    {"aten.atleast_2d.default", atleast<2>},
    {"aten.atleast_3d.default", atleast<3>},
    {"aten.dstack.default", dstack},
    {"aten.column_stack.default", column_stack},
    {"aten.block_diag.default", block_diag},
    {"aten.broadcast_tensors.default", broadcast_tensors},
    {"aten.cartesian_prod.default", cartesian_prod},
};

}  // namespace

std::span<const OperatorEntry> arrange_operators() { return kOperators; }

}  // namespace tinyml::evaluation
