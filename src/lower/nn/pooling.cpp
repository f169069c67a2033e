#include "lower/nn/pooling.h"

#include <algorithm>

namespace tinyml::lowering {
namespace {

// The windows along the dimensions that are listed.
Pooling restrict_to(const Pooling& pooling, TensorId x, const std::vector<size_t>& dims) {
  Pooling result;
  result.x = x;
  for (const size_t dim : dims) {
    result.in.push_back(pooling.in[dim]);
    result.out.push_back(pooling.out[dim]);
    result.kernel.push_back(pooling.kernel[dim]);
    result.stride.push_back(pooling.stride[dim]);
    result.dilation.push_back(pooling.dilation[dim]);
    result.padding.push_back(pooling.padding[dim]);
    result.after.push_back(pooling.after[dim]);
  }
  return result;
}

// Dilated windows: the maximum of the taps, one dimension after the other.
TensorId maximum_of_taps(Lowering& at, const Pooling& pooling, TensorId x) {
  for (size_t i = 0; i < pooling.kernel.size(); ++i) {
    TensorId result = tflite::kNoTensor;
    for (int64_t tap = 0; tap < pooling.kernel[i]; ++tap) {
      const Sizes shape = at.shape(x);
      Sizes begin(shape.size(), 0);
      Sizes end = shape;
      Sizes strides(shape.size(), 1);
      begin[i + 2] = tap * pooling.dilation[i];
      end[i + 2] = begin[i + 2] + (pooling.out[i] - 1) * pooling.stride[i] + 1;
      strides[i + 2] = pooling.stride[i];
      const TensorId part = at.strided_slice(x, begin, end, strides);
      result = result == tflite::kNoTensor ? part : at.binary(Op::MAXIMUM, result, part);
    }
    x = result;
  }
  return x;
}

}  // namespace

bool Pooling::is_padded() const {
  const auto zero = [](int64_t size) { return size == 0; };
  return !std::all_of(padding.begin(), padding.end(), zero) || !std::all_of(after.begin(), after.end(), zero);
}

bool Pooling::is_global() const { return kernel == in && !is_padded() && out == Sizes(out.size(), 1); }

Pooling read_pooling(Lowering& at, size_t spatial) {
  Pooling pooling;
  pooling.x = at.input(at.node().has_arg("self") ? "self" : "input");
  Sizes in = at.shape(pooling.x);
  Sizes out = at.output_sizes();
  if (in.size() == spatial + 1) {  // without a batch
    in.insert(in.begin(), 1);
    out.insert(out.begin(), 1);
  }
  pooling.kernel = at.repeated("kernel_size", spatial, 1);
  pooling.stride = pooling.kernel;
  if (at.has("stride") && !at.integers("stride").empty()) pooling.stride = at.repeated("stride", spatial, 1);
  pooling.padding = at.repeated("padding", spatial, 0);
  pooling.dilation = Sizes(spatial, 1);
  if (at.node().has_arg("dilation")) pooling.dilation = at.repeated("dilation", spatial, 1);
  if (spatial == 1) {
    in.insert(in.begin() + 2, 1);
    out.insert(out.begin() + 2, 1);
    for (Sizes* sizes : {&pooling.kernel, &pooling.stride, &pooling.dilation}) sizes->insert(sizes->begin(), 1);
    pooling.padding.insert(pooling.padding.begin(), 0);
  }
  pooling.x = at.reshape(pooling.x, in);
  pooling.in.assign(in.begin() + 2, in.end());
  pooling.out.assign(out.begin() + 2, out.end());
  const std::string_view input = at.node().has_arg("self") ? "self" : "input";
  const size_t dims = pooling.in.size();
  for (size_t i = 0; i < dims; ++i) {
    const int64_t reach = (pooling.out[i] - 1) * pooling.stride[i] + pooling.dilation[i] * (pooling.kernel[i] - 1) + 1;
    const bool dynamic = i + spatial >= dims && at.is_dynamic(input, at.sizes(input).size() - dims + i);
    const int64_t touched = std::max<int64_t>(0, reach - pooling.in[i] - pooling.padding[i]);
    pooling.after.push_back(dynamic ? std::max(touched, pooling.padding[i]) : touched);
  }
  return pooling;
}

TensorId pool_images(Lowering& at, TensorId x, const Pooling& pooling, Op op, tflite::Padding padding) {
  tflite::Pool2DOptions options;
  options.padding = padding;
  options.stride_h = static_cast<int32_t>(pooling.stride[0]);
  options.stride_w = static_cast<int32_t>(pooling.stride[1]);
  options.filter_height = static_cast<int32_t>(pooling.kernel[0]);
  options.filter_width = static_cast<int32_t>(pooling.kernel[1]);
  const Sizes shape = at.shape(x);
  return at.emit(op, {x}, at.type(x), {shape[0], shape[1], pooling.out[0], pooling.out[1]}, options, true);
}

TensorId pool_windows(Lowering& at, const Pooling& pooling, Op op, double value) {
  const Sizes in = at.shape(pooling.x);
  if (pooling.kernel.size() == 3) {
    const int64_t area = pooling.out[1] * pooling.out[2];
    const TensorId planes = at.reshape(at.transpose(pooling.x, {0, 2, 1, 3, 4}), {in[0] * in[2], in[1], in[3], in[4]});
    const TensorId pooled = pool_windows(at, restrict_to(pooling, planes, {1, 2}), op, value);
    const TensorId columns = at.transpose(at.reshape(pooled, {in[0], in[2], in[1], area}), {0, 2, 1, 3});
    Pooling depth = restrict_to(pooling, columns, {0});
    depth.in.push_back(area);
    depth.out.push_back(area);
    for (Sizes* sizes : {&depth.kernel, &depth.stride, &depth.dilation}) sizes->push_back(1);
    for (Sizes* sizes : {&depth.padding, &depth.after}) sizes->push_back(0);
    return at.reshape(pool_windows(at, depth, op, value),
                      {in[0], in[1], pooling.out[0], pooling.out[1], pooling.out[2]});
  }
  if (pooling.kernel == Sizes{1, 1} && pooling.stride == Sizes{1, 1} && !pooling.is_padded()) return pooling.x;
  const TensorId padded = at.pad(pooling.x, {0, 0, pooling.padding[0], pooling.padding[1]},
                                 {0, 0, pooling.after[0], pooling.after[1]}, value);
  if (pooling.dilation != Sizes{1, 1}) return maximum_of_taps(at, pooling, padded);
  return pool_images(at, padded, pooling, op, tflite::Padding::VALID);
}

void refuse_indices(const Lowering& at) {
  if (!at.wants_output(1)) return;
  at.refuse("the indices of the maxima are used; TFLite has no pooling that returns them",
            "pool without return_indices, and unpool by upsampling");
}

}  // namespace tinyml::lowering
