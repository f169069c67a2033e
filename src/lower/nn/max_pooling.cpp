// max_pool1d, 2d and 3d: MAX_POOL_2D after a PADV2 with the lowest value.
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

template <size_t spatial>
void lower_max_pool(Lowering& at) {
  refuse_indices(at);
  const Pooling pooling = read_pooling(at, spatial);
  const TensorId y = pool_windows(at, pooling, Op::MAX_POOL_2D, lowest(at.type(pooling.x)));
  at.set_output(at.reshape(y, at.output_sizes()));
}

}  // namespace

void register_max_pooling(Registry& registry) {
  constexpr auto kLimits = "without the indices of the maxima";
  registry.add({"max_pool1d.default", "max_pool1d_with_indices.default"}, lower_max_pool<1>, kLimits);
  registry.add({"max_pool2d.default", "max_pool2d_with_indices.default"}, lower_max_pool<2>, kLimits);
  registry.add({"max_pool3d.default", "max_pool3d_with_indices.default"}, lower_max_pool<3>, kLimits);
}

}  // namespace tinyml::lowering
