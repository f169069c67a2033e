// Convolutions with constant weights, as the forms read and write them.
#pragma once

#include <functional>
#include <optional>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// One spatial dimension of a convolution: the zeros before and after what the operator reads are the padding.
struct Axis {
  int32_t in, out, kernel, stride, dilation, before, after;
};

/// CONV_2D or DEPTHWISE_CONV_2D with constant weights, a bias, and static sizes.
struct ConvolutionView {
  int op;
  int source;  ///< What is convolved, before a PAD by zeros that only this operator needs to have seen.
  bool depthwise, quantized;
  Axis height, width;
  Activation activation;
};

/// nullopt when the operator is none, or something about it is computed, dynamic or neither FLOAT32 nor INT8.
std::optional<ConvolutionView> view_convolution(const Editor& editor, int op);

/// The constant with another shape: element i of the new one is element `source(index)` of the old one, or zero where
/// that is negative. Scales stay as they are.
Tensor remap_constant(const Tensor& constant, Shape shape, const std::function<int64_t(const Shape& index)>& source);

/// A tensor like `like` with another shape, under a name of its own.
int add_like(Editor& editor, int like, const Shape& shape, const std::string& suffix);

/// Zeros around the spatial dimensions; the tensor itself when there are none.
int add_spatial_padding(Editor& editor, int x, int32_t top, int32_t bottom, int32_t left, int32_t right);

/// Adds an operator with one new output that is like `like`.
int add_result(Editor& editor, Op kind, std::vector<int> inputs, Options options, int like, const Shape& shape,
               const std::string& suffix);

/// Whether all sizes of the tensor are static.
bool is_static(const Tensor& tensor);

}  // namespace tinyml::tflite
