// upsample_linear, bilinear, trilinear and bicubic, with and without antialiasing: RESIZE_BILINEAR where the positions
// are TFLite's, else one matrix product for each dimension.
#include <cmath>

#include "lower/nn/resize.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

using evaluation::ResizeFilter;

// Whether TFLite derives the same distance between positions from the sizes.
bool is_native(const Resize& resize) {
  for (const evaluation::ResizeAxis& axis : resize.axes) {
    const double step = static_cast<double>(axis.in) / static_cast<double>(axis.out);
    if (!axis.align_corners && std::abs(axis.step() / step - 1) >= 1e-6) return false;
  }
  return true;
}

template <ResizeFilter filter, bool antialias>
void lower_interpolation(Lowering& at) {
  const Resize resize = read_resize(at);
  if (filter == ResizeFilter::kLinear && !antialias && is_native(resize)) {
    const bool corners = at.flag("align_corners");
    const TensorId y = emit_resize(at, resize, Op::RESIZE_BILINEAR, tflite::ResizeBilinearOptions{corners, !corners});
    return at.set_output(at.reshape(y, at.output_sizes()));
  }
  TensorId y = at.cast(resize.x, Type::FLOAT32);
  for (size_t i = 0; i < resize.axes.size(); ++i) {
    const evaluation::ResizeAxis& axis = resize.axes[i];
    if (axis.in == axis.out && (axis.scale == 0 || axis.scale == 1)) continue;
    const evaluation::Taps taps =
        antialias ? evaluation::antialiasing_taps(axis, filter) : evaluation::resize_taps(axis, filter);
    y = combine_rows(at, y, static_cast<int64_t>(i) + 2, taps);
  }
  at.set_output(at.reshape(y, at.output_sizes()));
}

}  // namespace

void register_resize_interpolating(Registry& registry) {
  registry.add({"upsample_linear1d.default", "upsample_linear1d.vec", "upsample_bilinear2d.default",
                "upsample_bilinear2d.vec", "upsample_trilinear3d.default", "upsample_trilinear3d.vec"},
               lower_interpolation<ResizeFilter::kLinear, false>);
  registry.add({"upsample_bicubic2d.default", "upsample_bicubic2d.vec"},
               lower_interpolation<ResizeFilter::kCubic, false>);
  registry.add({"_upsample_bilinear2d_aa.default", "_upsample_bilinear2d_aa.vec"},
               lower_interpolation<ResizeFilter::kLinear, true>);
  registry.add({"_upsample_bicubic2d_aa.default", "_upsample_bicubic2d_aa.vec"},
               lower_interpolation<ResizeFilter::kCubic, true>);
}

}  // namespace tinyml::lowering
