#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {

int form_global_mean(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    const auto* pool = std::get_if<Pool2DOptions>(&op.options);
    if (op.op != Op::AVERAGE_POOL_2D || pool == nullptr || pool->activation != Activation::NONE) continue;
    const Tensor& x = editor.tensor(op.inputs[0]);
    const Tensor& out = editor.tensor(op.outputs[0]);
    if (x.rank() != 4 || out.rank() != 4 || out.shape[1] != 1 || out.shape[2] != 1) continue;
    if (pool->filter_height != x.shape[1] || pool->filter_width != x.shape[2]) continue;
    const bool dynamic = !x.shape_signature.empty() && (x.shape_signature[1] < 0 || x.shape_signature[2] < 0);
    if (dynamic) continue;
    Tensor axes;
    axes.name = "axes";
    axes.type = Type::INT32;
    axes.shape = {2};
    axes.buffer = Buffer::of(std::vector<int32_t>{1, 2});
    const int input = op.inputs[0];
    editor.set_inputs(o, {input, editor.add_tensor(std::move(axes))});
    editor.become(o, Op::MEAN, ReducerOptions{.keep_dims = true});
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
