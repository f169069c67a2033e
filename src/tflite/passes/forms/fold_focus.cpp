#include <array>

#include "tflite/constant_values.h"
#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

// The image whose every second pixel the slice takes, and where it starts; nullopt when it is no such slice.
struct PhaseSlice {
  int image;
  int64_t top, left;
};

std::optional<PhaseSlice> phase_slice(const Editor& editor, int id) {
  std::array<int64_t, 4> start = {0, 0, 0, 0};
  std::array<int64_t, 4> step = {1, 1, 1, 1};
  const Shape out = editor.tensor(id).shape;
  const Quantization quantization = editor.tensor(id).quantization;
  // Slices of slices, the last one first.
  int made_by = editor.producer_of_kind(id, Op::STRIDED_SLICE);
  while (made_by != kNoProducer) {
    const Operator& op = editor.op(made_by);
    const auto begin = constant_integers(editor.subgraph(), op, 1);
    const auto steps = constant_integers(editor.subgraph(), op, 3);
    if (!begin || !steps || begin->size() != 4 || steps->size() != 4) return std::nullopt;
    const auto& options = std::get<StridedSliceOptions>(op.options);
    for (size_t axis = 0; axis < 4; ++axis) {
      const int64_t first = (options.begin_mask >> axis & 1) != 0 ? 0 : (*begin)[axis];
      if (first < 0 || (*steps)[axis] < 1) return std::nullopt;
      start[axis] = first + start[axis] * (*steps)[axis];
      step[axis] *= (*steps)[axis];
    }
    id = op.inputs[0];
    made_by = editor.producer_of_kind(id, Op::STRIDED_SLICE);
  }
  const Tensor& image = editor.tensor(id);
  if (image.rank() != 4 || out.size() != 4 || step != std::array<int64_t, 4>{1, 2, 2, 1}) return std::nullopt;
  const bool whole = start[0] == 0 && start[3] == 0 && image.shape[0] == out[0] && image.shape[3] == out[3];
  const bool half = image.shape[1] == 2 * out[1] && image.shape[2] == 2 * out[2];
  if (!whole || !half || start[1] > 1 || start[2] > 1 || image.quantization != quantization) return std::nullopt;
  return PhaseSlice{id, start[1], start[2]};
}

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || !policy.uses(Form::kFocus, view->quantized)) return false;
  if (view->height.dilation != 1 || view->width.dilation != 1) return false;
  const int joined = editor.producer_of_kind(view->source, Op::CONCATENATION);
  if (joined == kNoProducer) return false;
  const Operator& concatenation = editor.op(joined);
  const int32_t axis = std::get<ConcatenationOptions>(concatenation.options).axis;
  if (concatenation.inputs.size() != 4 || (axis != 3 && axis != -1)) return false;
  std::array<int32_t, 4> part_of_phase = {-1, -1, -1, -1};
  int image = kNoTensor;
  for (size_t part = 0; part < 4; ++part) {
    const auto slice = phase_slice(editor, concatenation.inputs[part]);
    if (!slice || (part > 0 && slice->image != image)) return false;
    image = slice->image;
    part_of_phase[static_cast<size_t>(slice->top * 2 + slice->left)] = static_cast<int32_t>(part);
  }
  for (const int32_t part : part_of_phase) {
    if (part < 0) return false;
  }
  const int32_t channels = editor.tensor(image).shape[3];
  const Tensor& weights = editor.tensor(editor.op(o).inputs[1]);
  const Shape old = weights.shape;
  if (old[3] != 4 * channels) return false;
  if (editor.tensor(image).quantization != editor.tensor(view->source).quantization) return false;
  Tensor remapped = remap_constant(weights, {old[0], 2 * old[1], 2 * old[2], channels}, [&](const Shape& i) {
    const int32_t part = part_of_phase[static_cast<size_t>(i[1] % 2 * 2 + i[2] % 2)];
    return ((int64_t{i[0]} * old[1] + i[1] / 2) * old[2] + i[2] / 2) * old[3] + part * channels + i[3];
  });
  const int x = add_spatial_padding(editor, image, 2 * view->height.before, 2 * view->height.after,
                                    2 * view->width.before, 2 * view->width.after);
  editor.set_inputs(o, {x, editor.add_tensor(std::move(remapped)), editor.op(o).inputs[2]});
  auto& options = std::get<Conv2DOptions>(editor.options(o));
  options.stride_h *= 2;
  options.stride_w *= 2;
  options.padding = Padding::VALID;
  return true;
}

}  // namespace

int fold_focus(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
