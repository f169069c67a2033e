#include "lower/nn/pooling.h"

#include <algorithm>

namespace tinyml::lowering {

Sizes Pooling::output_shape(const Lowering& at) const { return {at.shape(x)[0], at.shape(x)[1], out[0], out[1]}; }

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
  pooling.in = {in[2], in[3]};
  pooling.out = {out[2], out[3]};
  const std::string_view input = at.node().has_arg("self") ? "self" : "input";
  const size_t missing = 2 - spatial;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t reach = (pooling.out[i] - 1) * pooling.stride[i] + pooling.dilation[i] * (pooling.kernel[i] - 1) + 1;
    const bool dynamic = i >= missing && at.is_dynamic(input, at.sizes(input).size() - 2 + i);
    const int64_t touched = std::max<int64_t>(0, reach - pooling.in[i] - pooling.padding[i]);
    pooling.after.push_back(dynamic ? std::max(touched, pooling.padding[i]) : touched);
  }
  return pooling;
}

TensorId pad_pooling(Lowering& at, const Pooling& pooling, double value) {
  return at.pad(pooling.x, {0, 0, pooling.padding[0], pooling.padding[1]}, {0, 0, pooling.after[0], pooling.after[1]},
                value);
}

tflite::Pool2DOptions pool_options(const Pooling& pooling) {
  tflite::Pool2DOptions options;
  options.stride_h = static_cast<int32_t>(pooling.stride[0]);
  options.stride_w = static_cast<int32_t>(pooling.stride[1]);
  options.filter_height = static_cast<int32_t>(pooling.kernel[0]);
  options.filter_width = static_cast<int32_t>(pooling.kernel[1]);
  return options;
}

}  // namespace tinyml::lowering
