#include "analysis/index_space.h"

namespace tinyml::analysis {

std::vector<size_t> project(const std::vector<int64_t>& shape, const std::vector<size_t>& positions) {
  std::vector<int64_t> strides(shape.size(), 0);
  int64_t stride = 1;
  for (size_t i = positions.size(); i-- > 0;) {
    strides[positions[i]] = stride;
    stride *= shape[positions[i]];
  }
  std::vector<size_t> result(static_cast<size_t>(product(shape)));
  std::vector<int64_t> index(shape.size(), 0);
  int64_t at = 0;
  for (size_t& out : result) {
    out = static_cast<size_t>(at);
    for (size_t dim = shape.size(); dim-- > 0;) {
      at += strides[dim];
      if (++index[dim] < shape[dim]) break;
      at -= strides[dim] * shape[dim];
      index[dim] = 0;
    }
  }
  return result;
}

}  // namespace tinyml::analysis
