// Writing elements at computed positions, several of which may meet: scatter_reduce and index_reduce.
#include <fmt/format.h>

#include "evaluate/advanced_index.h"
#include "evaluate/algebra.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

/// What meets in one place.
enum class Reduction { kSum, kProduct, kMean, kLargest, kSmallest };

Reduction reduction_of(const OperatorCall& call) {
  const std::string& name = call.string("reduce");
  if (name == "sum") return Reduction::kSum;
  if (name == "prod") return Reduction::kProduct;
  if (name == "mean") return Reduction::kMean;
  if (name == "amax") return Reduction::kLargest;
  if (name == "amin") return Reduction::kSmallest;
  throw Error(fmt::format("reduction '{}' is not supported", name));
}

double joined(Reduction how, double a, double b) {
  switch (how) {
    case Reduction::kProduct:
      return a * b;
    case Reduction::kLargest:
      return std::max(a, b);
    case Reduction::kSmallest:
      return std::min(a, b);
    default:
      return a + b;
  }
}

/// A copy of `self` into which for_each(visit(value, position)) writes.
template <typename ForEach>
Tensor reduce_into(const OperatorCall& call, ForEach for_each) {
  const Tensor self = call.tensor("self");
  const Reduction how = reduction_of(call);
  const bool own = call.boolean("include_self");
  Tensor result = real(self).contiguous();
  std::vector<double> counts(static_cast<size_t>(self.numel()), own ? 1 : 0);
  std::vector<bool> written(counts.size(), false);
  double* out = result.mutable_data<double>();
  for_each([&](double value, int64_t position) {
    const auto at = static_cast<size_t>(position);
    out[at] = own || written[at] ? joined(how, out[at], value) : value;
    written[at] = true;
    ++counts[at];
  });
  for (size_t i = 0; how == Reduction::kMean && i < counts.size(); ++i) {
    if (!written[i]) continue;
    out[i] /= counts[i];
    if (!is_floating_point(self.type())) out[i] = std::floor(out[i]);
  }
  return result.to(self.type());
}

Tensor scatter_reduce(const OperatorCall& call) {
  const Tensor index = call.tensor("index").to(ScalarType::kInt64).contiguous();
  const Sizes shape = call.tensor("self").shape();
  Tensor source = real(call, "src");
  if (source.rank() != index.rank()) throw Error("the source does not fit the index");
  for (int64_t d = 0; d < index.rank(); ++d) {
    if (source.size(d) < index.size(d)) throw Error("the source does not fit the index");
    source = slice(source, d, 0, index.size(d), 1);
  }
  source = source.contiguous();
  const double* from = source.data<double>().data();
  const int64_t dim = normalize_dim(call.integer("dim"), static_cast<int64_t>(shape.size()));
  return reduce_into(call, [&](auto visit) {
    for_each_gathered(shape, index, dim, [&](int64_t at, int64_t to) { visit(from[at], to); });
  });
}

Tensor index_reduce(const OperatorCall& call) {
  const Tensor index = call.tensor("index").to(ScalarType::kInt64).contiguous();
  const Sizes shape = call.tensor("self").shape();
  const auto axis = static_cast<size_t>(normalize_dim(call.integer("dim"), static_cast<int64_t>(shape.size())));
  if (shape.empty()) throw Error("a tensor of rank 0 has no indices");
  Sizes expected = shape;
  expected[axis] = index.numel();
  const Tensor source = broadcast_to(real(call, "source"), expected).contiguous();
  const double* from = source.data<double>().data();
  return reduce_into(call, [&](auto visit) {
    for_each_listed(shape, axis, index, [&](int64_t i, int64_t to) { visit(from[i], to); });
  });
}

constexpr OperatorEntry kOperators[] = {
    {"aten.scatter_reduce.two", scatter_reduce},
    {"aten.index_reduce.default", index_reduce},
};

}  // namespace

std::span<const OperatorEntry> reduce_into_operators() { return kOperators; }

}  // namespace tinyml::evaluation
