// What the NPU takes of each operator, after Vela's published constraints (SUPPORTED_OPS.md).
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/targets/target_table.h"

namespace tinyml::tflite {
namespace {

constexpr int32_t kLargestDimension = 65535;
constexpr int kLargestStride = 3;
constexpr int64_t kLargestKernelHeight = 64, kLargestKernelArea = 64 * 64;
constexpr int64_t kLargestWeightSum = int64_t{127} * 65536;
constexpr int kLargestPool = 8, kLargestPoolHeight = 256;
constexpr int64_t kLargestReduced = 64 * 64;

class Limits {
 public:
  Limits(const Subgraph& subgraph, const Operator& op) : subgraph_(subgraph), op_(op) {}

  std::string reason() const {
    std::string reason = general();
    if (reason.empty()) reason = specific();
    return reason;
  }

 private:
  bool has(size_t slot) const { return slot < op_.inputs.size() && op_.inputs[slot] != kNoTensor; }
  const Tensor& input(size_t slot) const { return subgraph_.tensors[static_cast<size_t>(op_.inputs[slot])]; }
  const Tensor& output() const { return subgraph_.tensors[static_cast<size_t>(op_.outputs[0])]; }
  bool is(std::initializer_list<Op> kinds) const {
    return std::find(kinds.begin(), kinds.end(), op_.op) != kinds.end();
  }

  std::string general() const {
    const auto check = [&](const Tensor& tensor) -> std::string {
      if (!tensor.shape_signature.empty() && std::any_of(tensor.shape_signature.begin(), tensor.shape_signature.end(),
                                                         [](int32_t size) { return size < 0; })) {
        return "a dynamic shape";
      }
      if (tensor.rank() > 4) return fmt::format("a tensor of {} dimensions; the NPU has 4", tensor.rank());
      for (const int32_t size : tensor.shape) {
        if (size < 1 || size > kLargestDimension) return fmt::format("a dimension of {}", size);
      }
      return {};
    };
    for (size_t slot = 0; slot < op_.inputs.size(); ++slot) {
      if (!has(slot)) continue;
      if (std::string reason = check(input(slot)); !reason.empty()) return reason;
    }
    if (std::string reason = check(output()); !reason.empty()) return reason;
    const bool batched = has(0) && input(0).rank() == 4 && input(0).shape[0] > 1;
    if (batched && !is({Op::FULLY_CONNECTED, Op::SOFTMAX, Op::RESHAPE, Op::SHAPE, Op::SQUEEZE, Op::SPLIT, Op::SPLIT_V,
                        Op::STRIDED_SLICE, Op::SLICE, Op::UNPACK, Op::TRANSPOSE_CONV})) {
      return fmt::format("a batch of {}", input(0).shape[0]);
    }
    return {};
  }

  std::string specific() const {
    if (const auto* conv = std::get_if<Conv2DOptions>(&op_.options)) {
      return convolution(conv->stride_h, conv->stride_w, conv->dilation_h, conv->dilation_w, 0);
    }
    if (const auto* conv = std::get_if<DepthwiseConv2DOptions>(&op_.options)) return depthwise(*conv);
    if (const auto* conv = std::get_if<TransposeConvOptions>(&op_.options)) return transposed(*conv);
    if (const auto* pool = std::get_if<Pool2DOptions>(&op_.options)) return pooling(*pool);
    switch (op_.op) {
      case Op::FULLY_CONNECTED:
        return weights(1, /*per_channel=*/false);
      case Op::MEAN:
        return mean();
      case Op::RESIZE_BILINEAR:
      case Op::RESIZE_NEAREST_NEIGHBOR:
        return resize();
      case Op::TRANSPOSE:
        return transpose();
      case Op::STRIDED_SLICE:
        return strided_slice();
      case Op::SLICE:
        return input(1).is_constant() && input(2).is_constant() ? "" : "begin and size that are computed";
      case Op::RESHAPE:
        return !has(1) || input(1).is_constant() ? "" : "a shape that is computed";
      case Op::PAD:
        return padding();
      case Op::MAXIMUM:
      case Op::MINIMUM:
        return input(0).quantization == output().quantization && input(1).quantization == output().quantization
                   ? ""
                   : "inputs and output of different scales";
      case Op::ARG_MAX:
        return arg_max();
      default:
        return {};
    }
  }

  static std::string strides(int32_t h, int32_t w) {
    return h > kLargestStride || w > kLargestStride ? fmt::format("a stride of {}x{}; at most 3x3", h, w) : "";
  }

  std::string convolution(int32_t stride_h, int32_t stride_w, int32_t dilation_h, int32_t dilation_w,
                          int channel_axis) const {
    const Shape& kernel = input(1).shape;
    if (output().shape.size() == 4 && (output().shape[1] > 1 || output().shape[2] > 1)) {
      if (std::string reason = strides(stride_h, stride_w); !reason.empty()) return reason;
    }
    const int64_t height = int64_t{kernel[1] - 1} * dilation_h + 1;
    const int64_t width = int64_t{kernel[2] - 1} * dilation_w + 1;
    if (height > kLargestKernelHeight || height * width > kLargestKernelArea) {
      return fmt::format("a kernel that reaches over {}x{}", height, width);
    }
    if (std::string reason = weights(1, true); !reason.empty()) return reason;
    const int32_t groups = has(0) && channel_axis == 0 && kernel[3] > 0 ? input(0).shape[3] / kernel[3] : 1;
    if (groups > 1) return "a grouped convolution; split the groups";
    return weight_sum(channel_axis);
  }

  std::string depthwise(const DepthwiseConv2DOptions& conv) const {
    if (std::string reason = strides(conv.stride_h, conv.stride_w); !reason.empty()) return reason;
    const int32_t channels = input(0).shape[3];
    if (output().shape[3] != channels && channels != 1) return "a depth multiplier above 1";
    return convolution(conv.stride_h, conv.stride_w, conv.dilation_h, conv.dilation_w, 3);
  }

  std::string transposed(const TransposeConvOptions& conv) const {
    const Shape& kernel = input(1).shape;
    const Shape& x = input(2).shape;
    const Shape& out = output().shape;
    const bool square = conv.stride_h == conv.stride_w && conv.stride_h <= 2;
    const bool row = conv.stride_w == 2 && conv.stride_h == 1 && x[1] == 1 && kernel[1] == 1;
    if (!square && !row) return fmt::format("a stride of {}x{}; 1x1 or 2x2", conv.stride_h, conv.stride_w);
    const auto extent = [&](size_t axis, int32_t stride) {
      const int32_t same = x[axis] * stride;
      return conv.padding == Padding::SAME ? same : same + std::max(kernel[axis] - stride, 0);
    };
    if (out[1] != extent(1, conv.stride_h) || out[2] != extent(2, conv.stride_w)) return "an output size of its own";
    return weights(1, true);
  }

  std::string pooling(const Pool2DOptions& pool) const {
    if (std::string reason = strides(pool.stride_h, pool.stride_w); !reason.empty()) {
      if (output().shape[1] > 1 || output().shape[2] > 1) return reason;
    }
    if (pool.filter_height > kLargestPoolHeight) return fmt::format("a window of {} rows", pool.filter_height);
    const bool small = pool.filter_height <= kLargestPool && pool.filter_width <= kLargestPool;
    if (op_.op == Op::AVERAGE_POOL_2D && pool.padding == Padding::SAME && !small) {
      return fmt::format("a padded window of {}x{}; at most 8x8", pool.filter_height, pool.filter_width);
    }
    return {};
  }

  std::string weights(size_t slot, bool per_channel) const {
    const Tensor& tensor = input(slot);
    if (!tensor.is_constant()) return "weights that are computed";
    if (tensor.type != Type::INT8 && tensor.type != Type::UINT8) {
      return fmt::format("weights of {}; 8 bits are wanted", to_string(tensor.type));
    }
    if (!per_channel && tensor.quantization.per_channel()) return "weights with a scale per channel";
    return {};
  }

  // The largest sum of |weight| over one output channel.
  std::string weight_sum(int channel_axis) const {
    const Tensor& tensor = input(1);
    const auto count = static_cast<size_t>(tensor.shape[static_cast<size_t>(channel_axis)]);
    std::vector<int64_t> sums(count, 0);
    if (tensor.type != Type::INT8) return {};
    const auto values = tensor.buffer.as<int8_t>();
    size_t inner = 1;
    for (size_t i = static_cast<size_t>(channel_axis) + 1; i < tensor.shape.size(); ++i) {
      inner *= static_cast<size_t>(tensor.shape[i]);
    }
    for (size_t i = 0; i < values.size(); ++i) sums[i / inner % count] += std::abs(int{values[i]});
    const int64_t largest = count == 0 ? 0 : *std::max_element(sums.begin(), sums.end());
    return largest > kLargestWeightSum ? fmt::format("weights whose sum is {}", largest) : "";
  }

  std::string mean() const {
    const auto axes = constant_integers(subgraph_, op_, 1);
    if (!axes) return "axes that are computed";
    int64_t reduced = 1;
    const Tensor& x = input(0);
    for (const int64_t axis : *axes) {
      const auto at = static_cast<size_t>(normalized_axis(axis, x.rank()));
      reduced *= x.shape[at];
      if (at + 1 == x.shape.size() && x.shape[at] > kLargestReduced) return fmt::format("{} channels", x.shape[at]);
    }
    const int64_t limit = x.type == Type::INT16 ? int64_t{1} << 16 : int64_t{1} << 24;
    return reduced > limit ? fmt::format("a mean over {} values", reduced) : "";
  }

  std::string resize() const {
    const Shape& x = input(0).shape;
    const Shape& out = output().shape;
    const auto* bilinear = std::get_if<ResizeBilinearOptions>(&op_.options);
    const auto* nearest = std::get_if<ResizeNearestNeighborOptions>(&op_.options);
    const bool align = bilinear != nullptr ? bilinear->align_corners : nearest != nullptr && nearest->align_corners;
    const bool half =
        bilinear != nullptr ? bilinear->half_pixel_centers : nearest != nullptr && nearest->half_pixel_centers;
    if (x.size() != 4 || (x[1] == 1 && x[2] == 1) || x == out) return {};
    const auto factor = [&](size_t axis) -> int32_t {
      const int32_t from = align ? x[axis] - 1 : x[axis];
      const int32_t to = align ? out[axis] - 1 : out[axis];
      return from > 0 && to % from == 0 ? to / from : 0;
    };
    const int32_t by = factor(1);
    if (by != factor(2) || (by != 2 && by != 4 && by != 8)) return "a resize by other than 2, 4 or 8";
    if (align && half) return "align_corners together with half_pixel_centers";
    if (op_.op == Op::RESIZE_BILINEAR && half && by != 2) return "half-pixel centres with a factor other than 2";
    return {};
  }

  std::string transpose() const {
    const auto order = constant_integers(subgraph_, op_, 1);
    if (!order) return "an order that is computed";
    const Shape& x = input(0).shape;
    const std::vector<int64_t>& p = *order;
    bool fits = x.size() == 2;
    if (x.size() == 3) {
      fits = (p[0] == 1 && p[1] == 0) || (x[0] == 1 && p[1] == 2 && p[2] == 1) || (x[1] == 1 && p[0] == 2 && p[2] == 0);
    } else if (x.size() == 4) {
      fits = (p[0] == 0 && p[1] == 2 && p[2] == 1) || (x[1] == 1 && p[0] == 0 && p[2] == 3 && p[3] == 2) ||
             (x[2] == 1 && p[0] == 0 && p[1] == 3 && p[3] == 1);
    }
    return fits ? "" : "an order that is not one of the NPU's";
  }

  std::string strided_slice() const {
    const auto steps = constant_integers(subgraph_, op_, 3);
    if (!steps || !input(1).is_constant() || !input(2).is_constant()) return "bounds that are computed";
    const bool ones = std::all_of(steps->begin(), steps->end(), [](int64_t step) { return step == 1; });
    return ones ? "" : "a step other than 1";
  }

  std::string padding() const {
    const Shape& shape = input(1).shape;
    if (!input(1).is_constant()) return "paddings that are computed";
    const bool fits = shape.size() == 2 && (shape[0] == 3 || shape[0] == 4) && shape[1] == 2;
    return fits ? "" : "padding of other than 3 or 4 dimensions";
  }

  std::string arg_max() const {
    const auto axis = constant_integers(subgraph_, op_, 1);
    const Tensor& x = input(0);
    const bool last = axis && !axis->empty() && normalized_axis((*axis)[0], x.rank()) == x.rank() - 1;
    if (!last) return "another axis than channels";
    return x.shape.back() > 127 ? fmt::format("{} channels; at most 127", x.shape.back()) : "";
  }

  const Subgraph& subgraph_;
  const Operator& op_;
};

}  // namespace

std::string ethos_u_limit(const Subgraph& subgraph, const Operator& op) {
  if (op.outputs.empty()) return {};
  const std::string reason = Limits(subgraph, op).reason();
  return reason.empty() ? reason : "runs on the CPU: " + reason;
}

}  // namespace tinyml::tflite
