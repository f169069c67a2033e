// max_pool1d and max_pool2d: MAX_POOL_2D after a PADV2 with the lowest value; dilated ones as MAXIMUM of slices.
#include <limits>

#include "lower/nn/pooling.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

double lowest(Type type) {
  switch (type) {
    case Type::INT32:
      return std::numeric_limits<int32_t>::lowest();
    case Type::INT8:
      return std::numeric_limits<int8_t>::lowest();
    case Type::UINT8:
      return 0;
    default:
      return static_cast<double>(std::numeric_limits<float>::lowest());
  }
}

TensorId dilated_max(Lowering& at, const Pooling& pooling, TensorId padded) {
  const Sizes shape = at.shape(padded);
  TensorId result = tflite::kNoTensor;
  for (int64_t y = 0; y < pooling.kernel[0]; ++y) {
    for (int64_t x = 0; x < pooling.kernel[1]; ++x) {
      const Sizes begin = {0, 0, y * pooling.dilation[0], x * pooling.dilation[1]};
      const Sizes end = {shape[0], shape[1], begin[2] + (pooling.out[0] - 1) * pooling.stride[0] + 1,
                         begin[3] + (pooling.out[1] - 1) * pooling.stride[1] + 1};
      const TensorId tap = at.strided_slice(padded, begin, end, {1, 1, pooling.stride[0], pooling.stride[1]});
      result = result == tflite::kNoTensor ? tap : at.binary(Op::MAXIMUM, result, tap);
    }
  }
  return result;
}

void lower_max_pool(Lowering& at, size_t spatial) {
  if (at.wants_output(1)) {
    at.refuse("the indices of the maxima are used; TFLite has no pooling that returns them",
              "pool without return_indices, or unpool by upsampling");
  }
  const Pooling pooling = read_pooling(at, spatial);
  const TensorId padded = pad_pooling(at, pooling, lowest(at.type(pooling.x)));
  const bool dilated = pooling.dilation != Sizes{1, 1};
  const TensorId y = dilated ? dilated_max(at, pooling, padded)
                             : at.emit(Op::MAX_POOL_2D, {padded}, at.type(padded), pooling.output_shape(at),
                                       pool_options(pooling), true);
  at.set_output(at.reshape(y, at.output_sizes()));
}

void lower_max_pool1d(Lowering& at) { lower_max_pool(at, 1); }
void lower_max_pool2d(Lowering& at) { lower_max_pool(at, 2); }

}  // namespace

void register_max_pooling(Registry& registry) {
  registry.add({"max_pool1d.default", "max_pool1d_with_indices.default"}, lower_max_pool1d);
  registry.add({"max_pool2d.default", "max_pool2d_with_indices.default"}, lower_max_pool2d);
}

}  // namespace tinyml::lowering
