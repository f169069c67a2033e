// Sorting and selection of the largest elements of a dimension. Equal elements keep their order; NaN counts as largest.
#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

/// Positions of each row in sorted order.
Tensor sorted_positions(const Tensor& self, int64_t dim, bool descending) {
  return dispatch_compute(self.type(), [&](auto zero) {
    using T = decltype(zero);
    return map_rows<int64_t, T>(self.to(scalar_type_of<T>()), dim, [&](const T* in, int64_t* out, int64_t length) {
      sort_positions(in, out, length, descending);
    });
  });
}

/// The elements at the positions of each row.
Tensor take_rows(const Tensor& self, const Tensor& positions, int64_t dim) {
  const Tensor source = move_to_end(self, dim).contiguous();
  const Tensor index = move_to_end(positions, dim).contiguous();
  const int64_t in = source.rank() == 0 ? 1 : source.size(-1);
  const int64_t out = index.rank() == 0 ? 1 : index.size(-1);
  std::vector<int64_t> flat;
  const auto values = index.data<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) flat.push_back(static_cast<int64_t>(i) / out * in + values[i]);
  return move_from_end(source.reshaped({source.numel()}).index_select(0, flat).reshaped(index.shape()), dim);
}

std::vector<Tensor> sort(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  Tensor positions = sorted_positions(self, dim, call.boolean("descending"));
  return {take_rows(self, positions, dim), positions};
}

/// Along the first dimension.
Tensor msort(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return self.rank() == 0 ? self : take_rows(self, sorted_positions(self, 0, false), 0);
}

Tensor argsort(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return sorted_positions(self, normalize_dim(call.integer("dim"), self.rank()), call.boolean("descending"));
}

/// Always in sorted order.
std::vector<Tensor> topk(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  const int64_t k = call.integer("k");
  if (k < 0 || k > (self.rank() == 0 ? 1 : self.size(dim))) throw Error("topk: k is out of range");
  Tensor positions = sorted_positions(self, dim, call.boolean("largest"));
  if (self.rank() > 0) positions = slice(positions, dim, 0, k, 1);
  return {take_rows(self, positions, dim), positions};
}

constexpr OperatorEntry kOperators[] = {
    {"aten.sort.default", sort},      {"aten.sort.stable", sort},  {"aten.argsort.default", argsort},
    {"aten.argsort.stable", argsort}, {"aten.topk.default", topk}, {"aten.msort.default", msort},
};

}  // namespace

std::span<const OperatorEntry> order_operators() { return kOperators; }

}  // namespace tinyml::evaluation
