// Sums, means, extremes, products, logical reductions and norms.
#include <cmath>
#include <limits>

#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

/// Dimensions and keepdim as most reductions have them; both may be missing.
Rows rows_of(const OperatorCall& call, const Tensor& tensor) {
  const bool keepdim = call.node().has_arg("keepdim") && call.boolean("keepdim");
  return gather_rows(tensor, call.integers("dim"), keepdim);
}

/// Floating-point sums are accumulated in double.
template <typename T>
using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

template <typename T>
Accumulator<T> sum_of(const T* values, int64_t count) {
  Accumulator<T> sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<Accumulator<T>>(values[i]);
  return sum;
}

/// Integers and bool are added as int64 unless a type is asked for.
ScalarType sum_type(const OperatorCall& call, const Tensor& self) {
  if (const auto type = call.optional_type("dtype")) return *type;
  return is_floating_point(self.type()) ? self.type() : ScalarType::kInt64;
}

template <typename F>
Tensor accumulate(const OperatorCall& call, F f) {
  const Tensor self = call.tensor("self");
  const ScalarType type = sum_type(call, self);
  return dispatch_compute(type,
                          [&](auto zero) {
                            using T = decltype(zero);
                            const Rows rows = rows_of(call, self.to(scalar_type_of<T>()));
                            return reduce_rows<T, T>(
                                rows, [&](const T* values, int64_t count) { return static_cast<T>(f(values, count)); });
                          })
      .to(type);
}

Tensor sum(const OperatorCall& call) {
  return accumulate(call, [](const auto* values, int64_t count) { return sum_of(values, count); });
}

Tensor prod(const OperatorCall& call) {
  return accumulate(call, [](const auto* values, int64_t count) {
    Accumulator<std::remove_cvref_t<decltype(*values)>> result = 1;
    for (int64_t i = 0; i < count; ++i) result *= values[i];
    return result;
  });
}

Tensor mean(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const ScalarType type = call.optional_type("dtype").value_or(self.type());
  return dispatch_floating(type,
                           [&](auto zero) {
                             using T = decltype(zero);
                             return reduce_rows<T, T>(
                                 rows_of(call, self.to(scalar_type_of<T>())), [](const T* values, int64_t count) {
                                   return static_cast<T>(sum_of(values, count) / static_cast<double>(count));
                                 });
                           })
      .to(type);
}

/// Mean and variance of a row with `correction` subtracted from the count.
template <typename T>
std::pair<double, double> mean_and_variance(const T* values, int64_t count, double correction) {
  const double average = sum_of(values, count) / static_cast<double>(count);
  double squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double difference = static_cast<double>(values[i]) - average;
    squares += difference * difference;
  }
  return {average, squares / std::max(static_cast<double>(count) - correction, 0.0)};
}

double correction_of(const OperatorCall& call) {
  if (call.node().has_arg("unbiased")) return call.boolean("unbiased") ? 1 : 0;
  return call.optional_number("correction").value_or(1);
}

template <bool kRoot>
Tensor variance(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const double correction = correction_of(call);
  return dispatch_floating(self.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return reduce_rows<T, T>(
                                 rows_of(call, self.to(scalar_type_of<T>())), [&](const T* values, int64_t count) {
                                   const double result = mean_and_variance(values, count, correction).second;
                                   return static_cast<T>(kRoot ? std::sqrt(result) : result);
                                 });
                           })
      .to(self.type());
}

/// (variance or its root, mean)
template <bool kRoot>
std::vector<Tensor> variance_and_mean(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  Tensor average =
      dispatch_floating(self.type(), [&](auto zero) {
        using T = decltype(zero);
        return reduce_rows<T, T>(rows_of(call, self.to(scalar_type_of<T>())), [](const T* values, int64_t count) {
          return static_cast<T>(sum_of(values, count) / static_cast<double>(count));
        });
      }).to(self.type());
  return {variance<kRoot>(call), std::move(average)};
}

/// Position of the largest (kSign 1) or smallest (-1) element, the first of equals; NaN wins.
template <int kSign, typename T>
int64_t extreme_index(const T* values, int64_t count) {
  if (count == 0) throw Error("an empty dimension has no extreme");
  int64_t best = 0;
  for (int64_t i = 1; i < count && values[best] == values[best]; ++i) {
    const bool better = kSign > 0 ? values[i] > values[best] : values[i] < values[best];
    if (better || values[i] != values[i]) best = i;
  }
  return best;
}

template <int kSign>
Tensor extreme(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            return reduce_rows<T, T>(rows_of(call, self.to(scalar_type_of<T>())),
                                                     [](const T* values, int64_t count) {
                                                       return values[extreme_index<kSign>(values, count)];
                                                     });
                          })
      .to(self.type());
}

template <int kSign>
Tensor extreme_position(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return dispatch_compute(self.type(), [&](auto zero) {
    using T = decltype(zero);
    return reduce_rows<int64_t, T>(rows_of(call, self.to(scalar_type_of<T>())),
                                   [](const T* values, int64_t count) { return extreme_index<kSign>(values, count); });
  });
}

template <int kSign>
std::vector<Tensor> extreme_and_position(const OperatorCall& call) {
  return {extreme<kSign>(call), extreme_position<kSign>(call)};
}

std::vector<Tensor> both_extremes(const OperatorCall& call) { return {extreme<-1>(call), extreme<1>(call)}; }

template <bool kAll>
Tensor logical_reduction(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return reduce_rows<bool, bool>(rows_of(call, self.to(ScalarType::kBool)), [](const bool* values, int64_t count) {
    return kAll ? std::all_of(values, values + count, [](bool x) { return x; })
                : std::any_of(values, values + count, [](bool x) { return x; });
  });
}

Tensor count_nonzero(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return reduce_rows<int64_t, bool>(rows_of(call, self.to(ScalarType::kBool)), [](const bool* values, int64_t count) {
    return static_cast<int64_t>(std::count(values, values + count, true));
  });
}

Tensor logsumexp(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return dispatch_floating(self.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return reduce_rows<T, T>(
                                 rows_of(call, self.to(scalar_type_of<T>())), [](const T* values, int64_t count) {
                                   const T largest = count == 0 ? T{0} : values[extreme_index<1>(values, count)];
                                   const T shift = std::isfinite(largest) ? largest : T{0};
                                   double total = 0;
                                   for (int64_t i = 0; i < count; ++i)
                                     total += std::exp(static_cast<double>(values[i] - shift));
                                   return static_cast<T>(std::log(total)) + shift;
                                 });
                           })
      .to(self.type());
}

Tensor norm(const OperatorCall& call) {
  double p = 2;
  for (const char* name : {"p", "ord"}) {
    if (!call.is_none(name)) p = call.number(name);
  }
  const Tensor self = call.tensor("self");
  const ScalarType type = call.optional_type("dtype").value_or(self.type());
  return dispatch_floating(type,
                           [&](auto zero) {
                             using T = decltype(zero);
                             return reduce_rows<T, T>(rows_of(call, self.to(scalar_type_of<T>())),
                                                      [p](const T* values, int64_t count) {
                                                        return static_cast<T>(vector_norm(values, count, p));
                                                      });
                           })
      .to(type);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.sum.default", sum},
    {"aten.sum.dim_IntList", sum},
    {"aten.prod.default", prod},
    {"aten.prod.dim_int", prod},
    {"aten.mean.default", mean},
    {"aten.mean.dim", mean},
    {"aten.var.default", variance<false>},
    {"aten.var.dim", variance<false>},
    {"aten.var.correction", variance<false>},
    {"aten.std.default", variance<true>},
    {"aten.std.dim", variance<true>},
    {"aten.std.correction", variance<true>},
    {"aten.var_mean.default", variance_and_mean<false>},
    {"aten.var_mean.dim", variance_and_mean<false>},
    {"aten.var_mean.correction", variance_and_mean<false>},
    {"aten.std_mean.default", variance_and_mean<true>},
    {"aten.std_mean.dim", variance_and_mean<true>},
    {"aten.std_mean.correction", variance_and_mean<true>},
    {"aten.amax.default", extreme<1>},
    {"aten.amin.default", extreme<-1>},
    {"aten.max.default", extreme<1>},
    {"aten.min.default", extreme<-1>},
    {"aten.max.dim", extreme_and_position<1>},
    {"aten.min.dim", extreme_and_position<-1>},
    {"aten.aminmax.default", both_extremes},
    {"aten.argmax.default", extreme_position<1>},
    {"aten.argmin.default", extreme_position<-1>},
    {"aten.all.default", logical_reduction<true>},
    {"aten.all.dim", logical_reduction<true>},
    {"aten.all.dims", logical_reduction<true>},
    {"aten.any.default", logical_reduction<false>},
    {"aten.any.dim", logical_reduction<false>},
    {"aten.any.dims", logical_reduction<false>},
    {"aten.count_nonzero.default", count_nonzero},
    {"aten.count_nonzero.dim_IntList", count_nonzero},
    {"aten.logsumexp.default", logsumexp},
    {"aten.norm.Scalar", norm},
    {"aten.norm.ScalarOpt_dim", norm},
    {"aten.norm.ScalarOpt_dim_dtype", norm},
    {"aten.norm.ScalarOpt_dtype", norm},
    {"aten.frobenius_norm.dim", norm},
    {"aten.linalg_vector_norm.default", norm},
};

}  // namespace

std::span<const OperatorEntry> reduction_operators() { return kOperators; }

}  // namespace tinyml::evaluation
