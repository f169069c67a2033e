// softmax, log_softmax and running sums: functions of the rows of one dimension that keep their length.

#include "evaluate/softmax.h"

#include <cmath>

#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

template <typename T>
T largest(const T* in, int64_t length) {
  return *std::max_element(in, in + length);
}

/// f(input row, output row, length) for the rows of a dimension; the type stays.
template <typename F>
Tensor map_dim(const Tensor& tensor, int64_t dim, F f) {
  return dispatch_floating(tensor.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return map_rows<T, T>(tensor.to(scalar_type_of<T>()), dim, f);
                           })
      .to(tensor.type());
}

Tensor softmax(const Tensor& tensor, int64_t dim) {
  return map_dim(tensor, dim, []<typename T>(const T* in, T* out, int64_t length) {
    const T shift = largest(in, length);
    double total = 0;
    for (int64_t i = 0; i < length; ++i) total += out[i] = std::exp(in[i] - shift);
    for (int64_t i = 0; i < length; ++i) out[i] = static_cast<T>(out[i] / total);
  });
}

template <bool kLog>
Tensor softmax_operator(const OperatorCall& call) {
  Tensor self = call.tensor("self");
  if (const auto type = call.optional_type("dtype")) self = self.to(*type);
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  return kLog ? log_softmax(self, dim) : softmax(self, dim);
}

/// Running sum or product along a dimension.
template <bool kProduct>
Tensor running(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  const ScalarType type =
      call.optional_type("dtype").value_or(is_floating_point(self.type()) ? self.type() : ScalarType::kInt64);
  return dispatch_compute(
             type,
             [&](auto zero) {
               using T = decltype(zero);
               return map_rows<T, T>(self.to(scalar_type_of<T>()), dim, [](const T* in, T* out, int64_t length) {
                 std::conditional_t<std::is_floating_point_v<T>, double, int64_t> total = kProduct ? 1 : 0;
                 for (int64_t i = 0; i < length; ++i) {
                   total = kProduct ? total * in[i] : total + in[i];
                   out[i] = static_cast<T>(total);
                 }
               });
             })
      .to(type);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.softmax.int", softmax_operator<false>},    {"aten._softmax.default", softmax_operator<false>},
    {"aten.log_softmax.int", softmax_operator<true>}, {"aten._log_softmax.default", softmax_operator<true>},
    {"aten.cumsum.default", running<false>},          {"aten.cumprod.default", running<true>},
};

}  // namespace

Tensor log_softmax(const Tensor& tensor, int64_t dim) {
  return map_dim(tensor, dim, []<typename T>(const T* in, T* out, int64_t length) {
    const T shift = largest(in, length);
    double total = 0;
    for (int64_t i = 0; i < length; ++i) total += std::exp(static_cast<double>(in[i] - shift));
    const T log_total = static_cast<T>(std::log(total));
    for (int64_t i = 0; i < length; ++i) out[i] = in[i] - shift - log_total;
  });
}

std::span<const OperatorEntry> softmax_operators() { return kOperators; }

}  // namespace tinyml::evaluation
