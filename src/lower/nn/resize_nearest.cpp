// upsample_nearest and nearest-exact: RESIZE_NEAREST_NEIGHBOR where the positions are TFLite's, else a GATHER for each
// dimension.
#include "lower/nn/resize.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

using evaluation::ResizeFilter;

Sizes positions(const evaluation::ResizeAxis& axis, ResizeFilter filter) {
  Sizes rows;
  for (const auto& taps : evaluation::resize_taps(axis, filter)) rows.push_back(taps[0].source);
  return rows;
}

template <ResizeFilter filter>
void lower_nearest(Lowering& at) {
  const Resize resize = read_resize(at);
  bool native = true;
  for (const evaluation::ResizeAxis& axis : resize.axes) {
    native = native && positions(axis, filter) == positions({axis.in, axis.out}, filter);
  }
  TensorId y = resize.x;
  if (native) {
    const tflite::ResizeNearestNeighborOptions options{false, filter == ResizeFilter::kNearestExact};
    y = emit_resize(at, resize, Op::RESIZE_NEAREST_NEIGHBOR, options);
  } else {
    for (size_t i = 0; i < resize.axes.size(); ++i) {
      const Sizes rows = positions(resize.axes[i], filter);
      if (rows == positions({resize.axes[i].in, resize.axes[i].in}, filter)) continue;
      y = at.gather(y, rows, static_cast<int64_t>(i) + 2);
    }
  }
  at.set_output(at.reshape(y, at.output_sizes()));
}

}  // namespace

void register_resize_nearest(Registry& registry) {
  registry.add({"upsample_nearest1d.default", "upsample_nearest1d.vec", "upsample_nearest2d.default",
                "upsample_nearest2d.vec", "upsample_nearest3d.default", "upsample_nearest3d.vec"},
               lower_nearest<ResizeFilter::kNearest>);
  registry.add(
      {"_upsample_nearest_exact1d.default", "_upsample_nearest_exact1d.vec", "_upsample_nearest_exact2d.default",
       "_upsample_nearest_exact2d.vec", "_upsample_nearest_exact3d.default", "_upsample_nearest_exact3d.vec"},
      lower_nearest<ResizeFilter::kNearestExact>);
}

}  // namespace tinyml::lowering
