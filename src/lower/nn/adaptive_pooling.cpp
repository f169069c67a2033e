// adaptive_avg_pool and adaptive_max_pool: a reduction for one window, a pooling for equal windows, else one
// reduction for each window of a dimension.
#include "lower/nn/pooling.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

struct Kind {
  Op pool, reduce;
};
constexpr Kind kAverage = {Op::AVERAGE_POOL_2D, Op::MEAN};
constexpr Kind kMaximum = {Op::MAX_POOL_2D, Op::REDUCE_MAX};

// Windows of unequal size along one dimension: from floor(i * in / out) to ceil((i + 1) * in / out).
TensorId pool_dimension(Lowering& at, TensorId x, size_t dim, int64_t out, Kind kind) {
  const Sizes shape = at.shape(x);
  const int64_t in = shape[dim];
  if (in == out) return x;
  std::vector<TensorId> parts;
  for (int64_t i = 0; i < out; ++i) {
    Sizes begin(shape.size(), 0);
    Sizes size = shape;
    begin[dim] = i * in / out;
    size[dim] = ((i + 1) * in + out - 1) / out - begin[dim];
    parts.push_back(at.reduce(kind.reduce, at.slice(x, begin, size), {static_cast<int64_t>(dim)}, true));
  }
  return at.concatenate(parts, static_cast<int64_t>(dim));
}

void lower_adaptive(Lowering& at, size_t spatial, Kind kind) {
  refuse_indices(at);
  TensorId x = at.input("self");
  Sizes in = at.shape(x);
  Sizes out = at.output_sizes();
  if (in.size() == spatial + 1) {  // without a batch
    in.insert(in.begin(), 1);
    out.insert(out.begin(), 1);
  }
  if (spatial == 1) {
    in.insert(in.begin() + 2, 1);
    out.insert(out.begin() + 2, 1);
  }
  x = at.reshape(x, in);
  if (in == out) return at.set_output(at.reshape(x, at.output_sizes()));
  Pooling pooling;
  pooling.x = x;
  Sizes axes;
  bool global = true;
  bool equal = true;
  for (size_t i = 2; i < in.size(); ++i) {
    axes.push_back(static_cast<int64_t>(i));
    global = global && out[i] == 1;
    equal = equal && in[i] % out[i] == 0;
    pooling.in.push_back(in[i]);
    pooling.out.push_back(out[i]);
    pooling.kernel.push_back(in[i] / out[i]);
  }
  pooling.stride = pooling.kernel;
  pooling.dilation.assign(axes.size(), 1);
  pooling.padding.assign(axes.size(), 0);
  pooling.after = pooling.padding;
  if (global) {
    x = at.reduce(kind.reduce, x, axes, true);
  } else if (equal) {
    x = pool_windows(at, pooling, kind.pool, 0);
  } else {
    for (size_t dim = 2; dim < in.size(); ++dim) x = pool_dimension(at, x, dim, out[dim], kind);
  }
  at.set_output(at.reshape(x, at.output_sizes()));
}

}  // namespace

void register_adaptive_pooling(Registry& registry) {
  constexpr auto kLimits = "without the indices of the maxima";
  registry.add({"adaptive_avg_pool1d.default"}, [](Lowering& at) { lower_adaptive(at, 1, kAverage); });
  registry.add({"adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default"},
               [](Lowering& at) { lower_adaptive(at, 2, kAverage); });
  registry.add({"adaptive_avg_pool3d.default", "_adaptive_avg_pool3d.default"},
               [](Lowering& at) { lower_adaptive(at, 3, kAverage); });
  registry.add(
      {"adaptive_max_pool1d.default"}, [](Lowering& at) { lower_adaptive(at, 1, kMaximum); }, kLimits);
  registry.add(
      {"adaptive_max_pool2d.default"}, [](Lowering& at) { lower_adaptive(at, 2, kMaximum); }, kLimits);
  registry.add(
      {"adaptive_max_pool3d.default"}, [](Lowering& at) { lower_adaptive(at, 3, kMaximum); }, kLimits);
}

}  // namespace tinyml::lowering
