#include <cmath>

#include "prune/metrics.h"

namespace tinyml::prune {
namespace {

/// Sum of f over a run, in several lanes so that the compiler can use vector registers.
template <typename Function>
double sum_over(const float* data, int64_t count, Function f) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  double total = 0.0;
  int64_t i = 0;
  while (i + kLanes <= count) {
    // Floats hold a partial sum of at most 1024 terms before it moves to double.
    const int64_t end = std::min(count - kLanes, i + 64 * kLanes);
    for (; i <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(data[i + lane]);
    }
    for (float& lane : lanes) {
      total += static_cast<double>(lane);
      lane = 0.0f;
    }
  }
  for (; i < count; ++i) total += static_cast<double>(f(data[i]));
  return total;
}

template <typename Function>
std::vector<double> accumulate(const AxisRows& rows, Function f) {
  std::vector<double> result(static_cast<size_t>(rows.size * rows.groups), 0.0);
  for (int64_t row = 0; row < rows.rows; ++row) {
    const int64_t group = row / rows.row_run;
    for (int64_t i = 0; i < rows.size; ++i) {
      result[static_cast<size_t>(group * rows.size + i)] +=
          sum_over(rows.data + (row * rows.size + i) * rows.inner, rows.inner, f);
    }
  }
  return result;
}

}  // namespace

std::vector<double> l1_norms(const AxisRows& rows) {
  return accumulate(rows, [](float x) { return std::fabs(x); });
}

std::vector<double> l2_norms(const AxisRows& rows) {
  std::vector<double> result = accumulate(rows, [](float x) { return x * x; });
  for (double& value : result) value = std::sqrt(value);
  return result;
}

std::vector<double> row_sums(const AxisRows& rows) {
  return accumulate(rows, [](float x) { return x; });
}

}  // namespace tinyml::prune
