// Reading elements by computed positions: advanced indexing, gather, embedding tables, one-hot.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "evaluate/advanced_index.h"
#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

std::vector<int64_t> to_indices(const Tensor& tensor, int64_t size) {
  const Tensor converted = tensor.to(ScalarType::kInt64);
  const auto values = converted.data<int64_t>();
  std::vector<int64_t> result(values.begin(), values.end());
  for (int64_t& index : result) index = checked_index(index, size);
  return result;
}

Tensor index(const OperatorCall& call) {
  const AdvancedIndex positions(call.tensor("self"), call.tensors("indices"));
  const Tensor& self = positions.source();
  Tensor result(self.type(), positions.shape());
  const size_t element = size_of(self.type());
  std::byte* out = result.mutable_bytes();
  positions.for_each([&](int64_t at, int64_t from) {
    std::memcpy(out + static_cast<size_t>(at) * element, self.bytes() + static_cast<size_t>(from) * element, element);
  });
  return positions.restore(result);
}

/// Writes (or with `accumulate` adds) values at the indexed positions.
Tensor index_put(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const AdvancedIndex positions(self, call.tensors("indices"));
  const bool accumulate = call.boolean("accumulate");
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            const Tensor given =
                                broadcast_to(call.tensor("values").to(kCompute), positions.visible_shape());
                            const Tensor values = positions.arrange(given).contiguous();
                            Tensor result = positions.source().to(kCompute);
                            const T* from = values.data<T>().data();
                            T* out = result.mutable_data<T>();
                            positions.for_each(
                                [&](int64_t at, int64_t to) { out[to] = accumulate ? out[to] + from[at] : from[at]; });
                            return positions.restore_source(result);
                          })
      .to(self.type());
}

Tensor index_select(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor index = call.tensor("index");
  if (self.rank() == 0) return self;
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  return self.index_select(dim, to_indices(index, self.size(dim)));
}

Tensor embedding(const OperatorCall& call) {
  const Tensor weight = call.tensor("weight");
  const Tensor indices = call.tensor("indices");
  if (weight.rank() != 2) throw Error("embedding: the weight must be a matrix");
  Sizes shape = indices.shape();
  shape.push_back(weight.size(1));
  return weight.index_select(0, to_indices(indices, weight.size(0))).reshaped(shape);
}

/// result[i][j][k] = self[i][index[i][j][k]][k] for dim 1.
Tensor gather_from(const Tensor& self, const Tensor& index, int64_t dim) {
  Tensor result(self.type(), index.shape());
  const size_t element = size_of(self.type());
  std::byte* out = result.mutable_bytes();
  for_each_gathered(self.shape(), index, dim, [&](int64_t at, int64_t from) {
    std::memcpy(out + static_cast<size_t>(at) * element, self.bytes() + static_cast<size_t>(from) * element, element);
  });
  return result;
}

Tensor gather(const OperatorCall& call) {
  const Tensor self = call.tensor("self").contiguous();
  return gather_from(self, call.tensor("index").to(ScalarType::kInt64),
                     normalize_dim(call.integer("dim"), self.rank()));
}

/// gather whose index and tensor are broadcast to each other elsewhere; without a dimension, from the flattened tensor.
Tensor take_along_dim(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor index = call.tensor("indices");
  const auto given = call.optional_integer("dim");
  if (!given) {
    return self.reshaped({self.numel()}).index_select(0, to_indices(index.reshaped({index.numel()}), self.numel()));
  }
  const int64_t dim = normalize_dim(*given, self.rank());
  if (index.rank() != self.rank()) throw Error("take_along_dim: an index of the tensor's rank is expected");
  Sizes shape;
  for (int64_t i = 0; i < self.rank(); ++i) shape.push_back(i == dim ? 1 : std::max(self.size(i), index.size(i)));
  const auto spread = [&](const Tensor& tensor) {
    Sizes own = shape;
    own[static_cast<size_t>(dim)] = tensor.size(dim);
    return broadcast_to(tensor, own).contiguous();
  };
  return gather_from(spread(self), spread(index.to(ScalarType::kInt64)), dim);
}

Tensor take(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor index = call.tensor("index");
  return self.reshaped({self.numel()}).index_select(0, to_indices(index, self.numel())).reshaped(index.shape());
}

Tensor one_hot(const OperatorCall& call) {
  const Tensor self = call.tensor("self").to(ScalarType::kInt64);
  const auto values = self.data<int64_t>();
  int64_t classes = call.integer("num_classes");
  if (classes < 0) classes = values.empty() ? 0 : *std::max_element(values.begin(), values.end()) + 1;
  Sizes shape = self.shape();
  shape.push_back(classes);
  Tensor result(ScalarType::kInt64, shape);
  int64_t* out = result.mutable_data<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0 || values[i] >= classes) throw Error(fmt::format("one_hot: no class {}", values[i]));
    out[static_cast<int64_t>(i) * classes + values[i]] = 1;
  }
  return result;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.index.Tensor", index},
    {"aten._unsafe_index.Tensor", index},
    {"aten.index_put.default", index_put},
    {"aten._unsafe_index_put.default", index_put},
    {"aten.index_select.default", index_select},
    {"aten.embedding.default", embedding},
    {"aten.gather.default", gather},
    {"aten.take.default", take},
    {"aten.take_along_dim.default", take_along_dim},
    {"aten.one_hot.default", one_hot},
};

}  // namespace

std::span<const OperatorEntry> index_operators() { return kOperators; }

}  // namespace tinyml::evaluation
