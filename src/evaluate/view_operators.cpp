// Operators that only look at the same elements in another way.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// `shape` is not named alike everywhere.
template <const char* kName>
Tensor view_as(const OperatorCall& call) {
  return reshape(call.tensor("self"), call.integers(kName));
}
constexpr char kSize[] = "size";
constexpr char kShape[] = "shape";

Tensor reshape_like(const OperatorCall& call) { return reshape(call.tensor("self"), call.tensor("other").shape()); }

Tensor flatten(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() == 0) return self.reshaped({1});
  const int64_t start = normalize_dim(call.integer("start_dim"), self.rank());
  const int64_t end = normalize_dim(call.integer("end_dim"), self.rank());
  if (start > end) throw Error("flatten: start_dim lies behind end_dim");
  const std::span<const int64_t> sizes = self.shape();
  const auto first = static_cast<size_t>(start);
  const auto last = static_cast<size_t>(end);
  Sizes shape(sizes.begin(), sizes.begin() + start);
  shape.push_back(product(sizes.subspan(first, last - first + 1)));
  shape.insert(shape.end(), sizes.begin() + end + 1, sizes.end());
  return self.reshaped(std::move(shape));
}

Tensor ravel(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return self.reshaped({self.numel()});
}

Tensor unflatten(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  Sizes sizes = call.integers("sizes");
  const auto unknown = std::find(sizes.begin(), sizes.end(), -1);
  if (unknown != sizes.end()) {
    *unknown = 1;
    *unknown = self.size(dim) / std::max<int64_t>(product(sizes), 1);
  }
  if (product(sizes) != self.size(dim))
    throw Error(fmt::format("unflatten: size {} does not factor so", self.size(dim)));
  Sizes shape = self.shape();
  shape.erase(shape.begin() + dim);
  shape.insert(shape.begin() + dim, sizes.begin(), sizes.end());
  return self.reshaped(std::move(shape));
}

Tensor permute(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Sizes order = normalize_dims(call.integers("dims"), self.rank());
  if (static_cast<int64_t>(order.size()) != self.rank()) throw Error("permute: every dimension must be listed");
  return self.permuted(order);
}

template <const char* kFirst, const char* kSecond>
Tensor transpose_dims(const OperatorCall& call) {
  return transpose(call.tensor("self"), call.integer(kFirst), call.integer(kSecond));
}
constexpr char kDim0[] = "dim0";
constexpr char kDim1[] = "dim1";
constexpr char kAxis0[] = "axis0";
constexpr char kAxis1[] = "axis1";

Tensor transpose_matrix(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() > 2) throw Error("t: at most two dimensions are expected");
  return self.rank() < 2 ? self : transpose(self, 0, 1);
}

/// Of real numbers, for which the conjugate transpose is the same.
Tensor matrix_transpose(const OperatorCall& call) { return transpose(call.tensor("self"), -2, -1); }

Tensor numpy_transpose(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  Sizes order(static_cast<size_t>(self.rank()));
  std::iota(order.rbegin(), order.rend(), 0);
  return self.permuted(order);
}

Tensor movedim(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Sizes sources = normalize_dims(call.integers("source"), self.rank());
  const Sizes targets = normalize_dims(call.integers("destination"), self.rank());
  if (sources.size() != targets.size()) throw Error("movedim: as many sources as destinations are expected");
  Sizes order(static_cast<size_t>(self.rank()), -1);
  for (size_t i = 0; i < sources.size(); ++i) order[static_cast<size_t>(targets[i])] = sources[i];
  int64_t next = 0;
  for (int64_t& dim : order) {
    if (dim >= 0) continue;
    while (std::find(sources.begin(), sources.end(), next) != sources.end()) ++next;
    dim = next++;
  }
  return self.permuted(order);
}

/// Dimensions of size 1: all, or those listed.
Tensor squeeze(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  Sizes dims(static_cast<size_t>(self.rank()));
  std::iota(dims.begin(), dims.end(), 0);
  if (call.node().has_arg("dim")) dims = normalize_dims(call.integers("dim"), self.rank());
  Sizes shape;
  Sizes strides;
  for (size_t i = 0; i < self.shape().size(); ++i) {
    const bool listed = std::find(dims.begin(), dims.end(), static_cast<int64_t>(i)) != dims.end();
    if (listed && self.shape()[i] == 1) continue;
    shape.push_back(self.shape()[i]);
    strides.push_back(self.strides()[i]);
  }
  return Tensor(self.type(), std::move(shape), std::move(strides), self.offset(), self.storage());
}

Tensor unsqueeze_dim(const OperatorCall& call) { return unsqueeze(call.tensor("self"), call.integer("dim")); }

Tensor expand(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  Sizes shape = call.integers("size");
  if (shape.size() < self.shape().size()) throw Error("expand: fewer sizes than dimensions");
  const size_t added = shape.size() - self.shape().size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != -1) continue;
    if (i < added) throw Error("expand: -1 for a new dimension");
    shape[i] = self.shape()[i - added];
  }
  return broadcast_to(self, shape);
}

Tensor expand_as(const OperatorCall& call) { return broadcast_to(call.tensor("self"), call.tensor("other").shape()); }

Tensor slice_operator(const OperatorCall& call) {
  return slice(call.tensor("self"), call.integer("dim"), call.optional_integer("start").value_or(0),
               call.optional_integer("end").value_or(std::numeric_limits<int64_t>::max()), call.integer("step"));
}

Tensor select_operator(const OperatorCall& call) {
  return select(call.tensor("self"), call.integer("dim"), call.integer("index"));
}

Tensor narrow(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = call.integer("dim");
  int64_t start = call.integer("start");
  if (start < 0) start += self.size(dim);
  const int64_t length = call.integer("length");
  if (start < 0 || length < 0 || length > self.size(dim) - start) throw Error("narrow: the range lies outside");
  return slice(self, dim, start, start + length, 1);
}

/// Windows along a dimension; their elements become a last dimension.
Tensor unfold(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const auto dim = static_cast<size_t>(normalize_dim(call.integer("dimension"), self.rank()));
  const int64_t size = call.integer("size");
  const int64_t step = call.integer("step");
  if (self.rank() == 0) return self.reshaped({1});
  if (size < 0 || step <= 0 || size > self.shape()[dim]) throw Error("unfold: the window does not fit");
  Sizes shape = self.shape();
  Sizes strides = self.strides();
  shape.push_back(size);
  strides.push_back(strides[dim]);
  shape[dim] = (shape[dim] - size) / step + 1;
  if (shape[dim] > 1) strides[dim] *= step;
  return Tensor(self.type(), std::move(shape), std::move(strides), self.offset(), self.storage());
}

/// Strides count elements of the tensor's own storage, which it must fill in row-major order.
Tensor as_strided(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (!self.is_contiguous()) throw Error("as_strided of a tensor that is not row-major depends on its memory");
  return Tensor(self.type(), call.integers("size"), call.integers("stride"),
                self.offset() + call.optional_integer("storage_offset").value_or(0), self.storage());
}

Tensor diagonal_operator(const OperatorCall& call) {
  return diagonal(call.tensor("self"), call.integer("offset"), call.integer("dim1"), call.integer("dim2"));
}

/// Only the type that the elements have: no bits are read as something else.
Tensor view_as_type(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (call.effective(call.node().arg("dtype").as_scalar_type()) != self.type()) {
    throw Error("reading the bits of elements as another type is not supported");
  }
  return self;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.view.default", view_as<kSize>},
    {"aten._unsafe_view.default", view_as<kSize>},
    {"aten.reshape.default", view_as<kShape>},
    {"aten.view_as.default", reshape_like},
    {"aten.reshape_as.default", reshape_like},
    {"aten.flatten.using_ints", flatten},
    {"aten.ravel.default", ravel},
    {"aten.unflatten.int", unflatten},
    {"aten.permute.default", permute},
    {"aten.transpose.int", transpose_dims<kDim0, kDim1>},
    {"aten.swapdims.default", transpose_dims<kDim0, kDim1>},
    {"aten.swapaxes.default", transpose_dims<kAxis0, kAxis1>},
    {"aten.t.default", transpose_matrix},
    {"aten.numpy_T.default", numpy_transpose},
    {"aten.mT.default", matrix_transpose},
    {"aten.mH.default", matrix_transpose},
    {"aten.adjoint.default", matrix_transpose},
    {"aten.movedim.int", movedim},
    {"aten.movedim.intlist", movedim},
    {"aten.moveaxis.int", movedim},
    {"aten.moveaxis.intlist", movedim},
    {"aten.squeeze.default", squeeze},
    {"aten.squeeze.dim", squeeze},
    {"aten.squeeze.dims", squeeze},
    {"aten.unsqueeze.default", unsqueeze_dim},
    {"aten.expand.default", expand},
    {"aten.expand_as.default", expand_as},
    {"aten.broadcast_to.default", expand},
    {"aten.slice.Tensor", slice_operator},
    {"aten.select.int", select_operator},
    {"aten.narrow.default", narrow},
    {"aten.unfold.default", unfold},
    {"aten.as_strided.default", as_strided},
    {"aten.view.dtype", view_as_type},
    {"aten.diagonal.default", diagonal_operator},
};

}  // namespace

std::span<const OperatorEntry> view_operators() { return kOperators; }

}  // namespace tinyml::evaluation
