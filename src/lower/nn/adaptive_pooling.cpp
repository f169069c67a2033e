// adaptive_avg_pool and adaptive_max_pool: a reduction for one window, a pooling for equal windows, else one
// reduction for each window of a dimension.
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
  if (at.wants_output(1)) {
    at.refuse("the indices of the maxima are used; TFLite has no pooling that returns them",
              "pool without return_indices");
  }
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
  if (in.size() == 4 && out[2] == 1 && out[3] == 1) {
    return at.set_output(at.reshape(at.reduce(kind.reduce, x, {2, 3}, true), at.output_sizes()));
  }
  bool equal = in.size() == 4;
  for (size_t i = 2; i < in.size(); ++i) equal = equal && in[i] % out[i] == 0;
  if (equal) {
    tflite::Pool2DOptions options;
    options.filter_height = options.stride_h = static_cast<int32_t>(in[2] / out[2]);
    options.filter_width = options.stride_w = static_cast<int32_t>(in[3] / out[3]);
    x = at.emit(kind.pool, {x}, at.type(x), out, options, true);
  } else {
    for (size_t dim = 2; dim < in.size(); ++dim) x = pool_dimension(at, x, dim, out[dim], kind);
  }
  at.set_output(at.reshape(x, at.output_sizes()));
}

}  // namespace

void register_adaptive_pooling(Registry& registry) {
  registry.add({"adaptive_avg_pool1d.default"}, [](Lowering& at) { lower_adaptive(at, 1, kAverage); });
  registry.add({"adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default"},
               [](Lowering& at) { lower_adaptive(at, 2, kAverage); });
  registry.add({"adaptive_avg_pool3d.default", "_adaptive_avg_pool3d.default"},
               [](Lowering& at) { lower_adaptive(at, 3, kAverage); });
  registry.add({"adaptive_max_pool1d.default"}, [](Lowering& at) { lower_adaptive(at, 1, kMaximum); });
  registry.add({"adaptive_max_pool2d.default"}, [](Lowering& at) { lower_adaptive(at, 2, kMaximum); });
  registry.add({"adaptive_max_pool3d.default"}, [](Lowering& at) { lower_adaptive(at, 3, kMaximum); });
}

}  // namespace tinyml::lowering
