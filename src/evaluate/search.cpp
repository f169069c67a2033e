// Places in sorted boundaries, and membership.
#include <fmt/format.h>

#include "evaluate/algebra.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

/// How many boundaries lie below each value, or (`right`) not above it. Boundaries [B] serve all values, [..., B] the
/// row of values in their place.
Tensor places(const OperatorCall& call, const Tensor& boundaries, const Tensor& values, bool right) {
  if (boundaries.rank() == 0) throw Error("a dimension of boundaries is expected");
  const Tensor sorted = boundaries.contiguous();
  const Tensor wanted = values.contiguous();
  const int64_t count = sorted.size(-1);
  const int64_t row = sorted.rank() == 1 ? wanted.numel() : wanted.size(-1);
  const bool fits =
      sorted.rank() == 1 || (sorted.rank() == wanted.rank() &&
                             std::equal(sorted.shape().begin(), sorted.shape().end() - 1, wanted.shape().begin()));
  if (!fits) throw Error("the boundaries do not fit the values");
  Tensor result(ScalarType::kInt64, wanted.shape());
  int64_t* out = result.mutable_data<int64_t>();
  const auto in = wanted.data<double>();
  for (size_t i = 0; i < in.size(); ++i) {
    const int64_t group = sorted.rank() == 1 ? 0 : static_cast<int64_t>(i) / row;
    const double* first = sorted.data<double>().data() + group * count;
    const double x = in[i];
    out[i] =
        right ? std::upper_bound(first, first + count, x) - first : std::lower_bound(first, first + count, x) - first;
    if (x != x) out[i] = count;
  }
  return call.boolean("out_int32") ? result.to(ScalarType::kInt32) : result;
}

Tensor bucketize(const OperatorCall& call) {
  return places(call, real(call, "boundaries"), real(call, "self"), call.boolean("right"));
}

Tensor searchsorted(const OperatorCall& call) {
  Tensor boundaries = real(call, "sorted_sequence");
  if (!call.is_none("sorter")) {
    const Tensor order = call.tensor("sorter").to(ScalarType::kInt64).contiguous();
    const int64_t count = boundaries.size(-1);
    const std::vector<double> values = boundaries.to_doubles();
    const auto positions = order.data<int64_t>();
    if (order.shape() != boundaries.shape()) throw Error("searchsorted: the sorter does not fit");
    Tensor sorted(ScalarType::kFloat64, boundaries.shape());
    double* out = sorted.mutable_data<double>();
    for (size_t i = 0; i < values.size(); ++i) {
      if (positions[i] < 0 || positions[i] >= count) throw Error(fmt::format("no boundary {}", positions[i]));
      out[i] = values[static_cast<size_t>(static_cast<int64_t>(i) / count * count + positions[i])];
    }
    boundaries = sorted;
  }
  const bool right = call.boolean("right") || (!call.is_none("side") && call.string("side") == "right");
  return places(call, boundaries, real(call, "self"), right);
}

Tensor isin(const OperatorCall& call) {
  const std::vector<double> wanted =
      call.tensor(call.node().has_arg("test_element") ? "test_element" : "test_elements").to_doubles();
  const bool invert = call.boolean("invert");
  const Tensor elements = real(call, call.node().has_arg("element") ? "element" : "elements");
  return map_elements<bool, double>(
      elements, [&](double x) { return (std::find(wanted.begin(), wanted.end(), x) != wanted.end()) != invert; });
}

constexpr OperatorEntry kOperators[] = {
    {"aten.bucketize.Tensor", bucketize},       {"aten.bucketize.Scalar", bucketize},
    {"aten.searchsorted.Tensor", searchsorted}, {"aten.searchsorted.Scalar", searchsorted},
    {"aten.isin.Tensor_Tensor", isin},          {"aten.isin.Tensor_Scalar", isin},
    {"aten.isin.Scalar_Tensor", isin},
};

}  // namespace

std::span<const OperatorEntry> search_operators() { return kOperators; }

}  // namespace tinyml::evaluation
