#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

namespace tinyml::analysis {

/// A row-major array seen around one of its dimensions: [outer][size][inner].
struct Strides {
  int64_t outer = 1;
  int64_t size = 1;
  int64_t inner = 1;

  static Strides of(const std::vector<int64_t>& shape, size_t position) {
    Strides strides;
    for (size_t i = 0; i < position; ++i) strides.outer *= shape[i];
    strides.size = shape[position];
    for (size_t i = position + 1; i < shape.size(); ++i) strides.inner *= shape[i];
    return strides;
  }
};

inline int64_t product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

/// For each index of `shape` in row-major order, the row-major index into the sub-space made of its dimensions
/// `positions`.
std::vector<size_t> project(const std::vector<int64_t>& shape, const std::vector<size_t>& positions);

}  // namespace tinyml::analysis
