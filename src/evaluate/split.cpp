// Operators that cut a tensor into a list of parts.
#include <fmt/format.h>

#include <algorithm>

#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

std::vector<Tensor> split_at(const Tensor& tensor, int64_t dim, const Sizes& sizes) {
  int64_t total = 0;
  for (int64_t size : sizes) total += size;
  if (total != tensor.size(normalize_dim(dim, tensor.rank()))) {
    throw Error(fmt::format("the parts have {} indices in all, the dimension {}", total, tensor.size(dim)));
  }
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t size : sizes) {
    parts.push_back(slice(tensor, dim, start, start + size, 1));
    start += size;
  }
  return parts;
}

Sizes equal_parts(int64_t total, int64_t size) {
  if (size <= 0) throw Error("the size of a part must be positive");
  Sizes sizes;
  for (int64_t start = 0; start < total; start += size) sizes.push_back(std::min(size, total - start));
  if (sizes.empty()) sizes.push_back(0);
  return sizes;
}

std::vector<Tensor> split(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  return split_at(self, dim, equal_parts(self.size(dim), call.integer("split_size")));
}

template <const char* kSizes>
std::vector<Tensor> split_with_sizes(const OperatorCall& call) {
  return split_at(call.tensor("self"), call.integer("dim"), call.integers(kSizes));
}
constexpr char kSplitSizes[] = "split_sizes";
constexpr char kSplitSize[] = "split_size";

std::vector<Tensor> chunk(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  const int64_t chunks = call.integer("chunks");
  if (chunks <= 0) throw Error("chunk: the number of parts must be positive");
  return split_at(self, dim, equal_parts(self.size(dim), std::max<int64_t>((self.size(dim) + chunks - 1) / chunks, 1)));
}

/// The first parts are one larger when the size does not divide.
std::vector<Tensor> tensor_split(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  const int64_t sections = call.integer("sections");
  if (sections <= 0) throw Error("tensor_split: the number of parts must be positive");
  Sizes sizes(static_cast<size_t>(sections), self.size(dim) / sections);
  for (int64_t i = 0; i < self.size(dim) % sections; ++i) ++sizes[static_cast<size_t>(i)];
  return split_at(self, dim, sizes);
}

/// Cut in front of the listed indices, which are clamped as those of slices.
std::vector<Tensor> cut_in_front(const Tensor& tensor, int64_t dim, const Sizes& indices) {
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t index : indices) {
    parts.push_back(slice(tensor, dim, start, index, 1));
    start = index;
  }
  parts.push_back(slice(tensor, dim, start, tensor.size(dim), 1));
  return parts;
}

std::vector<Tensor> tensor_split_at(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return cut_in_front(self, normalize_dim(call.integer("dim"), self.rank()), call.integers("indices"));
}

/// Along dimension kDim; hsplit cuts vectors along their only dimension.
template <int64_t kDim>
std::vector<Tensor> split_dim(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = kDim == 1 && self.rank() == 1 ? 0 : kDim;
  if (self.rank() <= dim) throw Error(fmt::format("a tensor of rank {} has no dimension {}", self.rank(), dim));
  if (call.node().has_arg("indices")) return cut_in_front(self, dim, call.integers("indices"));
  const int64_t sections = call.integer("sections");
  if (sections <= 0 || self.size(dim) % sections != 0) throw Error("the parts must be of one size");
  return split_at(self, dim, Sizes(static_cast<size_t>(sections), self.size(dim) / sections));
}

std::vector<Tensor> unbind(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < self.size(dim); ++i) parts.push_back(select(self, dim, i));
  return parts;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.split.Tensor", split},
    {"aten.split.sizes", split_with_sizes<kSplitSize>},
    {"aten.split_with_sizes.default", split_with_sizes<kSplitSizes>},
    {"aten.chunk.default", chunk},
    {"aten.tensor_split.sections", tensor_split},
    {"aten.tensor_split.indices", tensor_split_at},
    {"aten.vsplit.int", split_dim<0>},
    {"aten.vsplit.array", split_dim<0>},
    {"aten.hsplit.int", split_dim<1>},
    {"aten.hsplit.array", split_dim<1>},
    {"aten.dsplit.int", split_dim<2>},
    {"aten.dsplit.array", split_dim<2>},
    {"aten.unbind.int", unbind},
};

}  // namespace

std::span<const OperatorEntry> split_operators() { return kOperators; }

}  // namespace tinyml::evaluation
