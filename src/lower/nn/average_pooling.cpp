// avg_pool1d, 2d and 3d: AVERAGE_POOL_2D, after a PAD where padding counts, times a constant map of divisors where
// windows count fewer elements than they have.
#include <algorithm>

#include "lower/nn/pooling.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Elements that the window at `index` counts along one dimension.
int64_t counted(const Pooling& pooling, size_t dim, int64_t index, bool include_pad) {
  const int64_t begin = index * pooling.stride[dim] - pooling.padding[dim];
  const int64_t end = begin + pooling.kernel[dim];
  if (include_pad) return std::min(end, pooling.in[dim] + pooling.padding[dim]) - begin;
  return std::min(end, pooling.in[dim]) - std::max<int64_t>(begin, 0);
}

// Size of a window over the number of elements that it counts, for each window.
std::vector<float> correction(const Pooling& pooling, bool include_pad) {
  std::vector<double> factors = {1};
  for (size_t dim = 0; dim < pooling.out.size(); ++dim) {
    std::vector<double> next;
    for (const double factor : factors) {
      for (int64_t i = 0; i < pooling.out[dim]; ++i) {
        next.push_back(factor * static_cast<double>(pooling.kernel[dim]) /
                       static_cast<double>(counted(pooling, dim, i, include_pad)));
      }
    }
    factors = std::move(next);
  }
  return {factors.begin(), factors.end()};
}

// Whether TFLite's SAME pads exactly as this pooling does.
bool is_same(const Pooling& pooling) {
  if (pooling.kernel.size() != 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (pooling.out[i] != (pooling.in[i] + pooling.stride[i] - 1) / pooling.stride[i]) return false;
    const int64_t total =
        std::max<int64_t>(0, (pooling.out[i] - 1) * pooling.stride[i] + pooling.kernel[i] - pooling.in[i]);
    if (pooling.padding[i] != total / 2) return false;
  }
  return true;
}

TensorId average(Lowering& at, const Pooling& pooling) {
  const bool include_pad = at.flag("count_include_pad");
  if (at.node().has_arg("divisor_override") && at.has("divisor_override")) {
    double factor = 1 / static_cast<double>(at.integer("divisor_override"));
    for (const int64_t size : pooling.kernel) factor *= static_cast<double>(size);
    const TensorId y = pool_windows(at, pooling, Op::AVERAGE_POOL_2D, 0);
    return factor == 1 ? y : at.binary(Op::MUL, y, at.scalar(factor, Type::FLOAT32));
  }
  // One window over the whole image is a MEAN, which has the better kernels.
  if (pooling.is_global()) {
    Sizes axes;
    for (size_t i = 0; i < pooling.in.size(); ++i) axes.push_back(static_cast<int64_t>(i) + 2);
    return at.reduce(Op::MEAN, pooling.x, axes, true);
  }
  if (pooling.is_padded() && !include_pad && is_same(pooling)) {
    return pool_images(at, pooling.x, pooling, Op::AVERAGE_POOL_2D, tflite::Padding::SAME);
  }
  const TensorId y = pool_windows(at, pooling, Op::AVERAGE_POOL_2D, 0);
  std::vector<float> factors = correction(pooling, include_pad);
  if (std::all_of(factors.begin(), factors.end(), [](float factor) { return factor == 1; })) return y;
  Sizes shape = {1, 1};
  shape.insert(shape.end(), pooling.out.begin(), pooling.out.end());
  return at.binary(Op::MUL, y, at.constant(std::move(factors), shape));
}

template <size_t spatial>
void lower_average_pool(Lowering& at) {
  at.set_output(at.reshape(average(at, read_pooling(at, spatial)), at.output_sizes()));
}

}  // namespace

void register_average_pooling(Registry& registry) {
  registry.add({"avg_pool1d.default"}, lower_average_pool<1>);
  registry.add({"avg_pool2d.default"}, lower_average_pool<2>);
  registry.add({"avg_pool3d.default"}, lower_average_pool<3>);
}

}  // namespace tinyml::lowering
