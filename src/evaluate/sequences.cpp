// Tensors computed from numbers: positions of triangles, powers, window functions.
#include <cmath>
#include <numbers>

#include "evaluate/dispatch.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

ScalarType float_type(const OperatorCall& call) { return call.optional_type("dtype").value_or(call.default_float()); }

/// {rows, columns} of the elements on one side of a diagonal, row by row.
template <bool kLower>
Tensor triangle_indices(const OperatorCall& call) {
  const int64_t offset = call.integer("offset");
  const int64_t columns = call.integer("col");
  std::vector<int64_t> positions[2];
  for (int64_t i = 0; i < call.integer("row"); ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      if (kLower ? j - i > offset : j - i < offset) continue;
      positions[0].push_back(i);
      positions[1].push_back(j);
    }
  }
  const auto count = static_cast<int64_t>(positions[0].size());
  positions[0].insert(positions[0].end(), positions[1].begin(), positions[1].end());
  return Tensor::from(positions[0], {2, count}).to(call.optional_type("dtype").value_or(ScalarType::kInt64));
}

Tensor logspace(const OperatorCall& call) {
  const int64_t steps = call.integer("steps");
  if (steps < 0) throw Error("logspace: a negative number of steps");
  const double start = call.number("start");
  const double step = steps > 1 ? (call.number("end") - start) / static_cast<double>(steps - 1) : 0;
  Tensor result(ScalarType::kFloat64, {steps});
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < steps; ++i) out[i] = std::pow(call.number("base"), start + step * static_cast<double>(i));
  return result.to(float_type(call));
}

/// A window function of x = i / (length - 1), or i / length if it is periodic (as it is by default).
template <class Function>
Tensor window(const OperatorCall& call, Function function) {
  const int64_t length = call.integer("window_length");
  if (length < 0) throw Error("a window of negative length");
  const bool periodic = !call.node().has_arg("periodic") || call.boolean("periodic");
  const auto span = static_cast<double>(periodic ? length : length - 1);
  Tensor result(ScalarType::kFloat64, {length});
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < length; ++i) out[i] = length == 1 ? 1 : function(static_cast<double>(i) / span);
  return result.to(float_type(call));
}

double cosine(double x, int times) { return std::cos(2 * std::numbers::pi * times * x); }

Tensor hann(const OperatorCall& call) {
  return window(call, [](double x) { return 0.5 - 0.5 * cosine(x, 1); });
}

Tensor hamming(const OperatorCall& call) {
  const double alpha = call.node().has_arg("alpha") ? call.number("alpha") : 0.54;
  const double beta = call.node().has_arg("beta") ? call.number("beta") : 0.46;
  return window(call, [&](double x) { return alpha - beta * cosine(x, 1); });
}

Tensor blackman(const OperatorCall& call) {
  return window(call, [](double x) { return 0.42 - 0.5 * cosine(x, 1) + 0.08 * cosine(x, 2); });
}

Tensor bartlett(const OperatorCall& call) {
  return window(call, [](double x) { return 1 - std::abs(2 * x - 1); });
}

constexpr OperatorEntry kOperators[] = {
    {"aten.tril_indices.default", triangle_indices<true>},
    {"aten.triu_indices.default", triangle_indices<false>},
    {"aten.logspace.default", logspace},
    {"aten.hann_window.default", hann},
    {"aten.hann_window.periodic", hann},
    {"aten.hamming_window.default", hamming},
    {"aten.hamming_window.periodic", hamming},
    {"aten.hamming_window.periodic_alpha", hamming},
    {"aten.hamming_window.periodic_alpha_beta", hamming},
    {"aten.blackman_window.default", blackman},
    {"aten.blackman_window.periodic", blackman},
    {"aten.bartlett_window.default", bartlett},
    {"aten.bartlett_window.periodic", bartlett},
};

}  // namespace

std::span<const OperatorEntry> sequence_operators() { return kOperators; }

}  // namespace tinyml::evaluation
