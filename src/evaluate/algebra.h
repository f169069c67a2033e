// Arithmetic on float64 tensors with broadcasting: what operators that are composed of simpler ones are written in.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluate/operator_call.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {

inline Tensor real(const Tensor& tensor) { return tensor.to(ScalarType::kFloat64); }
inline Tensor real(const OperatorCall& call, std::string_view name) { return real(call.tensor(name)); }

template <typename F>
Tensor apply(const Tensor& x, F f) {
  return map_elements<double, double>(x, f);
}
template <typename F>
Tensor apply(const Tensor& x, const Tensor& y, F f) {
  return map_elements<double, double>(x, y, f);
}

inline Tensor operator+(const Tensor& x, const Tensor& y) {
  return apply(x, y, [](double a, double b) { return a + b; });
}
inline Tensor operator-(const Tensor& x, const Tensor& y) {
  return apply(x, y, [](double a, double b) { return a - b; });
}
inline Tensor operator*(const Tensor& x, const Tensor& y) {
  return apply(x, y, [](double a, double b) { return a * b; });
}
inline Tensor operator*(const Tensor& x, double factor) {
  return apply(x, [factor](double a) { return a * factor; });
}

/// Over the listed dimensions; none listed: over all.
inline Tensor sum(const Tensor& x, const Sizes& dims = {}, bool keepdim = false) {
  return reduce_rows<double, double>(gather_rows(x, dims, keepdim), [](const double* row, int64_t length) {
    double total = 0;
    for (int64_t i = 0; i < length; ++i) total += row[i];
    return total;
  });
}

inline Tensor vector_norm(const Tensor& x, const Sizes& dims, double p, bool keepdim = false) {
  return reduce_rows<double, double>(gather_rows(x, dims, keepdim),
                                     [p](const double* row, int64_t length) { return vector_norm(row, length, p); });
}

/// The type that the operands have together; for operators with real results integers become the default type.
inline ScalarType common_type(const OperatorCall& call, std::span<const std::string_view> names, bool floating) {
  std::vector<Operand> operands;
  for (const std::string_view name : names) operands.push_back(call.operand(name));
  const ScalarType type = result_type(operands, call.default_float());
  return floating && !is_floating_point(type) ? call.default_float() : type;
}

}  // namespace tinyml::evaluation
