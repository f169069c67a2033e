#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {

int drop_half_pixels(Subgraph& subgraph, const FormPolicy& policy) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    auto* options = std::get_if<ResizeNearestNeighborOptions>(&editor.options(o));
    if (op.op != Op::RESIZE_NEAREST_NEIGHBOR || options == nullptr || !options->half_pixel_centers) continue;
    const Tensor& x = editor.tensor(op.inputs[0]);
    const Tensor& out = editor.tensor(op.outputs[0]);
    if (options->align_corners || !policy.uses(Form::kNearest, x.type == Type::INT8)) continue;
    // floor((i + 0.5) / k) is floor(i / k) for whole k.
    if (!is_static(x) || out.shape[1] % x.shape[1] != 0 || out.shape[2] % x.shape[2] != 0) continue;
    options->half_pixel_centers = false;
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
