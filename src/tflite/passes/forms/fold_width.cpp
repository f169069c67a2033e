#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

// XNNPACK's INT8 convolutions pad channels to groups of this many.
constexpr int32_t kChannelGroup = 8;
int32_t padded_channels(int32_t channels) { return (channels + kChannelGroup - 1) / kChannelGroup * kChannelGroup; }

// floor(a / b) for b > 0.
int32_t floor_div(int32_t a, int32_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The convolution over columns of `stride` neighbouring ones: taps j of the old kernel, `before` columns left of the
// output's first, are tap (j - before) / stride + margin of the new one.
struct Folded {
  int32_t kernel, margin, after;
};

Folded fold(const Axis& axis) {
  const int32_t margin = (axis.before + axis.stride - 1) / axis.stride;
  const int32_t kernel = floor_div(axis.kernel - 1 - axis.before, axis.stride) + margin + 1;
  return {kernel, margin, axis.out - 1 + kernel - margin - axis.in / axis.stride};
}

bool pays(const ConvolutionView& view, const Folded& folded, int32_t channels) {
  const Axis& width = view.width;
  if (!view.quantized) {
    return folded.kernel * width.stride == width.kernel && folded.margin * width.stride == width.before;
  }
  return folded.kernel * padded_channels(channels * width.stride) < width.kernel * padded_channels(channels);
}

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || !policy.uses(Form::kFoldWidth, view->quantized)) return false;
  const Axis& width = view->width;
  const int32_t step = width.stride;
  const Shape in = editor.tensor(view->source).shape;
  const int32_t channels = in[3];
  if (step < 2 || width.in % step != 0 || width.dilation != 1 || channels > kChannelGroup) return false;
  const Tensor& weights = editor.tensor(editor.op(o).inputs[1]);
  if (weights.shape[3] != channels) return false;
  const Folded folded = fold(width);
  if (folded.after < 0 || !pays(*view, folded, channels)) return false;

  const Shape old = weights.shape;
  Tensor remapped =
      remap_constant(weights, {old[0], old[1], folded.kernel, channels * step}, [&](const Shape& at) -> int64_t {
        const int32_t tap = (at[2] - folded.margin) * step + at[3] / channels + width.before;
        if (tap < 0 || tap >= old[2]) return -1;
        return ((int64_t{at[0]} * old[1] + at[1]) * old[2] + tap) * channels + at[3] % channels;
      });
  const int x = add_result(editor, Op::RESHAPE, {view->source}, ReshapeOptions{}, view->source,
                           {in[0], in[1], in[2] / step, channels * step}, "_columns");
  const int padded =
      add_spatial_padding(editor, x, view->height.before, view->height.after, folded.margin, folded.after);
  editor.set_inputs(o, {padded, editor.add_tensor(std::move(remapped)), editor.op(o).inputs[2]});
  auto& options = std::get<Conv2DOptions>(editor.options(o));
  options.stride_w = 1;
  options.padding = Padding::VALID;
  return true;
}

}  // namespace

int fold_width(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
