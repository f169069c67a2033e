#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {

int write_linear(Subgraph& subgraph, const FormPolicy& policy) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    if (editor.op(o).op != Op::CONV_2D) continue;
    const auto view = view_convolution(editor, o);
    if (!view || !policy.uses(Form::kLinear, view->quantized)) continue;
    const auto single = [](const Axis& axis) { return axis.in == 1 && axis.out == 1 && axis.kernel == 1; };
    if (!single(view->height) || !single(view->width)) continue;
    const Operator& op = editor.op(o);
    Tensor weights = editor.tensor(op.inputs[1]);
    if (weights.shape[3] != editor.tensor(view->source).shape[3]) continue;  // Groups.
    weights.shape = {weights.shape[0], weights.shape[3]};
    const std::vector<int> inputs = {view->source, editor.add_tensor(std::move(weights)), op.inputs[2]};
    editor.set_inputs(o, inputs);
    FullyConnectedOptions options;
    options.activation = view->activation;
    options.keep_num_dims = true;
    editor.become(o, Op::FULLY_CONNECTED, options);
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
