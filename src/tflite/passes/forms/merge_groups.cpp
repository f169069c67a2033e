#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

constexpr int32_t kGroupChannels = 16;  // Narrower groups leave the kernels' lanes empty.

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || !policy.uses(Form::kGroups, view->quantized)) return false;
  const Operator& op = editor.op(o);
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const Shape old = weights.shape;
  const int32_t groups = editor.tensor(op.inputs[0]).shape[3] / old[3];
  if (groups < 2 || old[3] >= kGroupChannels) return false;
  int32_t merged = 2;
  while (merged < groups && (groups % merged != 0 || merged * old[3] < kGroupChannels)) ++merged;
  const int32_t group_outputs = old[0] / groups;
  Tensor remapped = remap_constant(weights, {old[0], old[1], old[2], old[3] * merged}, [&](const Shape& i) -> int64_t {
    if (i[3] / old[3] != i[0] / group_outputs % merged) return -1;
    return ((int64_t{i[0]} * old[1] + i[1]) * old[2] + i[2]) * old[3] + i[3] % old[3];
  });
  editor.set_input(o, 1, editor.add_tensor(std::move(remapped)));
  return true;
}

}  // namespace

int merge_groups(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
