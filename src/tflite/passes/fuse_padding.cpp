#include <algorithm>
#include <limits>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// One spatial dimension of a convolution or pooling.
struct Window {
  int size, stride, dilation;
};

// The padding that SAME gives: {before, after} for an input of `extent`.
std::pair<int64_t, int64_t> same_padding(int64_t extent, const Window& window) {
  const int64_t out = (extent + window.stride - 1) / window.stride;
  const int64_t reach = int64_t{window.size - 1} * window.dilation + 1;
  const int64_t total = std::max<int64_t>(0, (out - 1) * window.stride + reach - extent);
  return {total / 2, total - total / 2};
}

struct Windows {
  Window height, width;
  Padding* padding;
};

// The windows of an operator with a padding option, in physical form.
std::optional<Windows> windows_of(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  Options& options = editor.options(o);
  if (auto* pool = std::get_if<Pool2DOptions>(&options)) {
    return Windows{{pool->filter_height, pool->stride_h, 1}, {pool->filter_width, pool->stride_w, 1}, &pool->padding};
  }
  if (op.inputs.size() < 2 || op.inputs[1] == kNoTensor) return std::nullopt;
  const Shape& weights = editor.tensor(op.inputs[1]).shape;
  if (weights.size() != 4) return std::nullopt;
  if (auto* conv = std::get_if<Conv2DOptions>(&options)) {
    return Windows{
        {weights[1], conv->stride_h, conv->dilation_h}, {weights[2], conv->stride_w, conv->dilation_w}, &conv->padding};
  }
  if (auto* conv = std::get_if<DepthwiseConv2DOptions>(&options)) {
    return Windows{
        {weights[1], conv->stride_h, conv->dilation_h}, {weights[2], conv->stride_w, conv->dilation_w}, &conv->padding};
  }
  return std::nullopt;
}

// What the padding writes: +0 and "lowest" are told apart; anything else stays explicit.
enum class Fill { kZero, kLowest, kOther };

Fill fill_of(const Editor& editor, const Operator& pad) {
  if (pad.op == Op::PAD) return Fill::kZero;
  if (pad.op != Op::PADV2 || pad.inputs.size() < 3) return Fill::kOther;
  const Tensor& value = editor.tensor(pad.inputs[2]);
  if (!value.is_constant() || element_count(value.shape) != 1) return Fill::kOther;
  const Quantization& q = editor.tensor(pad.inputs[0]).quantization;
  if (value.type == Type::FLOAT32) {
    const float v = value.buffer.as<float>()[0];
    if (v == 0) return Fill::kZero;
    return v <= std::numeric_limits<float>::lowest() ? Fill::kLowest : Fill::kOther;
  }
  if (value.type == Type::INT8) {
    const int v = value.buffer.as<int8_t>()[0];
    if (v == -128) return Fill::kLowest;  // Zero as well, where the zero point is -128.
    return !q.empty() && v == q.zero_point[0] ? Fill::kZero : Fill::kOther;
  }
  return Fill::kOther;
}

bool never_negative(const Editor& editor, int id) {
  const int made_by = editor.producer(id);
  if (made_by == kNoProducer) return false;
  const Operator& op = editor.op(made_by);
  if (op.op == Op::RELU || op.op == Op::RELU6 || op.op == Op::LOGISTIC || op.op == Op::ABS) return true;
  const auto clips = [](Activation a) { return a == Activation::RELU || a == Activation::RELU6; };
  if (const auto* conv = std::get_if<Conv2DOptions>(&op.options)) return clips(conv->activation);
  if (const auto* conv = std::get_if<DepthwiseConv2DOptions>(&op.options)) return clips(conv->activation);
  if (const auto* arithmetic = std::get_if<ArithmeticOptions>(&op.options)) return clips(arithmetic->activation);
  return false;
}

bool pad_into_same(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const auto windows = windows_of(editor, o);
  if (!windows || *windows->padding != Padding::VALID) return false;
  const int padded = op.inputs[0];
  const int before = editor.producer(padded);
  if (before == kNoProducer || editor.is_output(padded)) return false;
  const Operator& pad = editor.op(before);
  if (pad.op != Op::PAD && pad.op != Op::PADV2) return false;
  const Fill fill = fill_of(editor, pad);
  if (op.op == Op::MAX_POOL_2D) {
    const bool harmless_zero = fill == Fill::kZero && never_negative(editor, pad.inputs[0]);
    if (fill != Fill::kLowest && !harmless_zero) return false;
  } else if (op.op == Op::CONV_2D || op.op == Op::DEPTHWISE_CONV_2D) {
    if (fill != Fill::kZero) return false;
  } else {
    return false;  // AVERAGE_POOL_2D with SAME does not count the padding.
  }
  const auto amounts = constant_integers(editor.subgraph(), pad, 1);
  const Shape& extent = editor.tensor(pad.inputs[0]).shape;
  if (!amounts || amounts->size() != 8 || extent.size() != 4) return false;
  if ((*amounts)[0] != 0 || (*amounts)[1] != 0 || (*amounts)[6] != 0 || (*amounts)[7] != 0) return false;
  const Shape& signature = editor.tensor(pad.inputs[0]).shape_signature;
  // With stride 1 the padding of SAME does not depend on the size.
  if (!signature.empty() && signature[1] < 0 && windows->height.stride != 1) return false;
  if (!signature.empty() && signature[2] < 0 && windows->width.stride != 1) return false;
  if (same_padding(extent[1], windows->height) != std::pair((*amounts)[2], (*amounts)[3])) return false;
  if (same_padding(extent[2], windows->width) != std::pair((*amounts)[4], (*amounts)[5])) return false;
  *windows->padding = Padding::SAME;
  editor.set_input(o, 0, pad.inputs[0]);
  return true;
}

// SLICE of a VALID TRANSPOSE_CONV's full output is what SAME computes, if it starts where SAME would.
bool slice_into_same(Editor& editor, int o) {
  const Operator& slice = editor.op(o);
  const int before = editor.producer_of_kind(slice.inputs[0], Op::TRANSPOSE_CONV);
  if (before == kNoProducer || editor.only_consumer(slice.inputs[0]) != o) return false;
  const Operator& conv = editor.op(before);
  auto& options = std::get<TransposeConvOptions>(editor.options(before));
  if (!editor.tensor(slice.outputs[0]).shape_signature.empty()) return false;  // The output's shape is an operand.
  const auto begin = constant_integers(editor.subgraph(), slice, 1);
  const Shape weights = editor.tensor(conv.inputs[1]).shape;
  const Shape x = editor.tensor(conv.inputs[2]).shape;
  const Shape full = editor.tensor(slice.inputs[0]).shape;
  const Shape out = editor.tensor(slice.outputs[0]).shape;
  if (!begin || begin->size() != 4 || options.padding != Padding::VALID || weights.size() != 4) return false;
  if ((*begin)[0] != 0 || (*begin)[3] != 0 || full[0] != out[0] || full[3] != out[3]) return false;
  const auto matches = [&](size_t axis, int stride) {
    const int64_t total = int64_t{x[axis] - 1} * stride + weights[axis] - out[axis];
    return (out[axis] + stride - 1) / stride == x[axis] && total >= 0 && (*begin)[axis] == total / 2;
  };
  if (!matches(1, options.stride_h) || !matches(2, options.stride_w)) return false;
  options.padding = Padding::SAME;
  Tensor shape = editor.tensor(conv.inputs[0]);
  shape.type = Type::INT32;
  shape.buffer = Buffer::of(std::vector<int32_t>(out));
  editor.set_input(before, 0, editor.add_tensor(std::move(shape)));
  const int result = slice.outputs[0];
  editor.remove(o);
  editor.set_output(before, 0, result);
  return true;
}

// PADV2 by the value that stands for zero is PAD, which more kernels know.
bool pad_by_zero(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.op != Op::PADV2 || fill_of(editor, op) == Fill::kOther) return false;
  const Quantization& q = editor.tensor(op.inputs[0]).quantization;
  const Tensor& value = editor.tensor(op.inputs[2]);
  const bool zero = value.type == Type::INT8 ? !q.empty() && value.buffer.as<int8_t>()[0] == q.zero_point[0]
                                             : fill_of(editor, op) == Fill::kZero;
  if (!zero) return false;
  editor.set_inputs(o, {op.inputs[0], op.inputs[1]});
  editor.become(o, Op::PAD, {});
  return true;
}

}  // namespace

int fuse_padding(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    if (!editor.is_live(o)) continue;
    changes += pad_by_zero(editor, o) ? 1 : 0;
    const bool changed = editor.op(o).op == Op::SLICE ? slice_into_same(editor, o) : pad_into_same(editor, o);
    changes += changed ? 1 : 0;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
