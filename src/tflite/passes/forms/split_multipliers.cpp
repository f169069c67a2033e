#include <algorithm>

#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"
#include "tflite/passes/reorder_weights.h"

namespace tinyml::tflite {
namespace {

constexpr int32_t kMostParts = 5;  // Of a CONCATENATION that XNNPACK runs.

// Whether everything that is computed from the tensor can be computed from its channels in another order.
bool takes_any_order(const Editor& editor, int id) {
  const std::vector<Use>& readers = editor.consumers(id);
  return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](const Use& use) {
    if (use.op == kGraphOutput) return false;
    if (can_reorder_inputs(editor, use.op, use.input)) return true;
    return is_channelwise(editor, use.op, use.input) && takes_any_order(editor, editor.op(use.op).outputs[0]);
  });
}

void reorder_readers(Editor& editor, int id, const Order& order) {
  for (const Use& use : std::vector<Use>(editor.consumers(id))) {
    if (can_reorder_inputs(editor, use.op, use.input)) {
      reorder_inputs(editor, use.op, order);
      continue;
    }
    reorder_channels(editor, use.op, use.input, order);
    reorder_readers(editor, editor.op(use.op).outputs[0], widened(order, channel_multiplier(editor, use.op)));
  }
}

// Of the last dimension every `step`-th element from `first` on, scales per channel along.
Tensor every(const Tensor& tensor, int32_t step, int32_t first) {
  Shape shape = tensor.shape;
  shape.back() /= step;
  int64_t next = 0;
  Tensor result = remap_constant(tensor, shape, [&](const Shape&) { return next++ * step + first; });
  if (!tensor.quantization.per_channel()) return result;
  const auto pick = [&](auto& values) {
    for (size_t c = 0; c * static_cast<size_t>(step) + static_cast<size_t>(first) < values.size(); ++c) {
      values[c] = values[c * static_cast<size_t>(step) + static_cast<size_t>(first)];
    }
    values.resize(static_cast<size_t>(shape.back()));
  };
  pick(result.quantization.scale);
  pick(result.quantization.zero_point);
  return result;
}

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::DEPTHWISE_CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || !policy.uses(Form::kMultiplier, view->quantized)) return false;
  const Operator op = editor.op(o);
  const int out = op.outputs[0];
  const int32_t channels = editor.tensor(op.inputs[0]).shape[3];
  const int32_t multiplier = editor.tensor(out).shape[3] / channels;
  if (multiplier < 2 || multiplier > kMostParts || channels < 2 || !takes_any_order(editor, out)) return false;
  editor.remove(o);
  Operator join;
  join.op = Op::CONCATENATION;
  join.options = ConcatenationOptions{.axis = 3};
  join.outputs = {out};
  DepthwiseConv2DOptions options = std::get<DepthwiseConv2DOptions>(op.options);
  options.depth_multiplier = 1;
  Shape shape = editor.tensor(out).shape;
  shape[3] = channels;
  for (int32_t part = 0; part < multiplier; ++part) {
    const int weights = editor.add_tensor(every(editor.tensor(op.inputs[1]), multiplier, part));
    const int bias = editor.add_tensor(every(editor.tensor(op.inputs[2]), multiplier, part));
    join.inputs.push_back(
        add_result(editor, Op::DEPTHWISE_CONV_2D, {op.inputs[0], weights, bias}, options, out, shape, "_part"));
  }
  editor.add_operator(std::move(join));
  Order order;
  for (int32_t part = 0; part < multiplier; ++part) {
    for (int32_t channel = 0; channel < channels; ++channel) order.push_back(channel * multiplier + part);
  }
  reorder_readers(editor, out, order);
  return true;
}

}  // namespace

int split_multipliers(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
