#pragma once

#include <array>
#include <cstdint>

#include "tinyml/tensor.h"

namespace tinyml::evaluation {

/// Geometry of a convolution or a pooling over three spatial dimensions; missing ones have size 1.
struct Window {
  using Triple = std::array<int64_t, 3>;
  Triple kernel{1, 1, 1};
  Triple stride{1, 1, 1};
  Triple dilation{1, 1, 1};
  Triple before{0, 0, 0};  ///< Padding in front of each dimension.
  Triple after{0, 0, 0};   ///< Padding behind it.

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  /// Size of dimension i after the window has moved over `size` elements; throws Error when it does not fit once.
  int64_t output_size(size_t i, int64_t size) const;
};

/// input [N, C, D, H, W], weight [O, C/groups, kernel...], bias [O] or undefined; all row-major of compute type T.
template <typename T>
Tensor convolve(const Tensor& input, const Tensor& weight, const Tensor& bias, const Window& window, int64_t groups);

/// The transposed convolution: input [N, C, D, H, W], weight [C, O/groups, kernel...]. `output`: spatial size of the
/// result.
template <typename T>
Tensor convolve_transposed(const Tensor& input, const Tensor& weight, const Tensor& bias, const Window& window,
                           int64_t groups, const Window::Triple& output);

}  // namespace tinyml::evaluation
