// avg_pool1d and avg_pool2d: AVERAGE_POOL_2D, after a PAD where padding counts, times a constant map of divisors where
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

// Whether TFLite's SAME pads exactly as this pooling does.
bool is_same(const Pooling& pooling) {
  for (size_t i = 0; i < 2; ++i) {
    if (pooling.out[i] != (pooling.in[i] + pooling.stride[i] - 1) / pooling.stride[i]) return false;
    const int64_t total =
        std::max<int64_t>(0, (pooling.out[i] - 1) * pooling.stride[i] + pooling.kernel[i] - pooling.in[i]);
    if (pooling.padding[i] != total / 2) return false;
  }
  return true;
}

void lower_average_pool(Lowering& at, size_t spatial) {
  Pooling pooling = read_pooling(at, spatial);
  const bool include_pad = at.flag("count_include_pad");
  const bool divisor = at.node().has_arg("divisor_override") && at.has("divisor_override");
  // One window over the whole image is a MEAN, which has the better kernels.
  if (!divisor && pooling.kernel == pooling.in && pooling.padding == Sizes{0, 0} && pooling.out == Sizes{1, 1}) {
    return at.set_output(at.reshape(at.reduce(Op::MEAN, pooling.x, {2, 3}, true), at.output_sizes()));
  }
  const auto area = static_cast<double>(pooling.kernel[0] * pooling.kernel[1]);
  std::vector<float> factors;
  for (int64_t y = 0; y < pooling.out[0]; ++y) {
    for (int64_t x = 0; x < pooling.out[1]; ++x) {
      const int64_t count = divisor ? at.integer("divisor_override")
                                    : counted(pooling, 0, y, include_pad) * counted(pooling, 1, x, include_pad);
      factors.push_back(static_cast<float>(area / static_cast<double>(count)));
    }
  }
  tflite::Pool2DOptions options = pool_options(pooling);
  TensorId x = pooling.x;
  const bool padded = pooling.padding != Sizes{0, 0} || pooling.after != Sizes{0, 0};
  const bool same = padded && !include_pad && !divisor && is_same(pooling);
  if (same) {
    options.padding = tflite::Padding::SAME;
  } else {
    x = pad_pooling(at, pooling, 0);
  }
  TensorId y = at.emit(Op::AVERAGE_POOL_2D, {x}, at.type(x), pooling.output_shape(at), options, true);
  const bool uniform = std::all_of(factors.begin(), factors.end(), [&](float factor) { return factor == factors[0]; });
  if (!same && uniform && factors[0] != 1) {
    y = at.binary(Op::MUL, y, at.scalar(static_cast<double>(factors[0]), Type::FLOAT32));
  } else if (!same && !uniform) {
    y = at.binary(Op::MUL, y, at.constant(std::move(factors), {1, 1, pooling.out[0], pooling.out[1]}));
  }
  at.set_output(at.reshape(y, at.output_sizes()));
}

void lower_avg_pool1d(Lowering& at) { lower_average_pool(at, 1); }
void lower_avg_pool2d(Lowering& at) { lower_average_pool(at, 2); }

}  // namespace

void register_average_pooling(Registry& registry) {
  registry.add({"avg_pool1d.default"}, lower_avg_pool1d);
  registry.add({"avg_pool2d.default"}, lower_avg_pool2d);
}

}  // namespace tinyml::lowering
