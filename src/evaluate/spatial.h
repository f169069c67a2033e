#pragma once

#include "evaluate/broadcast.h"
#include "evaluate/convolution.h"
#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// One entry for each trailing spatial dimension as three; the leading ones get `fill`.
inline Window::Triple to_triple(const Sizes& sizes, int64_t fill) {
  TINYML_CHECK(sizes.size() <= 3);
  Window::Triple result{fill, fill, fill};
  for (size_t i = 0; i < sizes.size(); ++i) result[3 - sizes.size() + i] = sizes[i];
  return result;
}

/// How a tensor [N, C, ...] or [C, ...] with `rank` spatial dimensions divides into planes of three.
class SpatialTensor {
 public:
  SpatialTensor(const Tensor& tensor, size_t rank) : shape_(tensor.shape()), rank_(rank) {
    if (shape_.size() != rank + 2 && shape_.size() != rank + 1) {
      throw Error("an input of rank " + std::to_string(shape_.size()) + " where " + std::to_string(rank) +
                  " spatial dimensions are expected");
    }
  }

  Window::Triple sizes() const { return to_triple(Sizes(shape_.end() - spatial(), shape_.end()), 1); }
  /// Batch times channels.
  int64_t planes() const { return product(std::span(shape_).first(shape_.size() - rank_)); }
  /// The shape with other spatial sizes.
  Sizes result_shape(const Window::Triple& sizes) const {
    Sizes result(shape_.begin(), shape_.end() - spatial());
    result.insert(result.end(), sizes.end() - spatial(), sizes.end());
    return result;
  }

 private:
  std::ptrdiff_t spatial() const { return static_cast<std::ptrdiff_t>(rank_); }

  Sizes shape_;
  size_t rank_;
};

}  // namespace tinyml::evaluation
