#include "tflite/passes/forms/convolution_view.h"

#include <algorithm>
#include <cstring>

#include "tflite/constant_values.h"
#include "tflite/made_like.h"

namespace tinyml::tflite {
namespace {

// What a PAD by zeros in front of the operator adds to height and width; nullopt when it pads anything else.
std::optional<std::vector<int64_t>> spatial_padding(const Editor& editor, const Operator& pad) {
  const auto amounts = constant_integers(editor.subgraph(), pad, 1);
  if (!amounts || amounts->size() != 8) return std::nullopt;
  if ((*amounts)[0] != 0 || (*amounts)[1] != 0 || (*amounts)[6] != 0 || (*amounts)[7] != 0) return std::nullopt;
  return amounts;
}

void pad_same(Axis& axis) {
  const int32_t reach = (axis.kernel - 1) * axis.dilation + 1;
  const int32_t total = std::max(0, (axis.out - 1) * axis.stride + reach - axis.in);
  axis.before = total / 2;
  axis.after = total - total / 2;
}

}  // namespace

bool is_static(const Tensor& tensor) {
  return std::all_of(tensor.shape_signature.begin(), tensor.shape_signature.end(), [](int32_t n) { return n >= 0; });
}

std::optional<ConvolutionView> view_convolution(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const auto* conv = std::get_if<Conv2DOptions>(&op.options);
  const auto* depthwise = std::get_if<DepthwiseConv2DOptions>(&op.options);
  if ((conv == nullptr && depthwise == nullptr) || op.inputs.size() < 3 || op.inputs[2] == kNoTensor) {
    return std::nullopt;
  }
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  if (!weights.is_constant() || !editor.tensor(op.inputs[2]).is_constant() || weights.rank() != 4) return std::nullopt;
  if (x.rank() != 4 || out.rank() != 4 || !is_static(x) || !is_static(out)) return std::nullopt;
  const bool quantized = x.type == Type::INT8 && weights.type == Type::INT8 && out.type == Type::INT8;
  const bool floating = x.type == Type::FLOAT32 && weights.type == Type::FLOAT32 && out.type == Type::FLOAT32;
  if (!quantized && !floating) return std::nullopt;

  ConvolutionView view{o, op.inputs[0], depthwise != nullptr, quantized, {}, {}, Activation::NONE};
  view.height = {x.shape[1], out.shape[1], weights.shape[1], 1, 1, 0, 0};
  view.width = {x.shape[2], out.shape[2], weights.shape[2], 1, 1, 0, 0};
  Padding padding = Padding::VALID;
  const auto read = [&](const auto& options) {
    view.height.stride = options.stride_h;
    view.height.dilation = options.dilation_h;
    view.width.stride = options.stride_w;
    view.width.dilation = options.dilation_w;
    view.activation = options.activation;
    padding = options.padding;
  };
  if (conv != nullptr) read(*conv);
  if (depthwise != nullptr) read(*depthwise);
  if (padding == Padding::SAME) {
    pad_same(view.height);
    pad_same(view.width);
    return view;
  }
  const int before = editor.producer_of_kind(op.inputs[0], Op::PAD);
  if (before == kNoProducer) return view;
  const auto amounts = spatial_padding(editor, editor.op(before));
  if (!amounts) return view;
  view.source = editor.op(before).inputs[0];
  view.height.in = editor.tensor(view.source).shape[1];
  view.width.in = editor.tensor(view.source).shape[2];
  view.height.before = static_cast<int32_t>((*amounts)[2]);
  view.height.after = static_cast<int32_t>((*amounts)[3]);
  view.width.before = static_cast<int32_t>((*amounts)[4]);
  view.width.after = static_cast<int32_t>((*amounts)[5]);
  return view;
}

Tensor remap_constant(const Tensor& constant, Shape shape, const std::function<int64_t(const Shape& index)>& source) {
  const auto size = static_cast<size_t>(bits_of(constant.type) / 8);
  const auto count = static_cast<size_t>(element_count(shape));
  std::vector<std::byte> bytes(count * size);
  Shape index(shape.size(), 0);
  for (size_t i = 0; i < count; ++i) {
    const int64_t from = source(index);
    if (from >= 0) {
      std::memcpy(bytes.data() + i * size, constant.buffer.data() + static_cast<size_t>(from) * size, size);
    }
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  Tensor result = constant;
  result.shape = std::move(shape);
  result.shape_signature.clear();
  result.buffer = Buffer::of(std::move(bytes));
  return result;
}

int add_like(Editor& editor, int like, const Shape& shape, const std::string& suffix) {
  Tensor tensor = made_like(editor.tensor(like));
  tensor.name += suffix;
  tensor.shape = shape;
  tensor.shape_signature.clear();
  return editor.add_tensor(std::move(tensor));
}

int add_result(Editor& editor, Op kind, std::vector<int> inputs, Options options, int like, const Shape& shape,
               const std::string& suffix) {
  Operator op;
  op.op = kind;
  op.inputs = std::move(inputs);
  op.outputs = {add_like(editor, like, shape, suffix)};
  op.options = std::move(options);
  const int result = op.outputs[0];
  editor.add_operator(std::move(op));
  return result;
}

int add_spatial_padding(Editor& editor, int x, int32_t top, int32_t bottom, int32_t left, int32_t right) {
  if (top == 0 && bottom == 0 && left == 0 && right == 0) return x;
  Shape shape = editor.tensor(x).shape;
  shape[1] += top + bottom;
  shape[2] += left + right;
  Tensor amounts;
  amounts.name = "paddings";
  amounts.type = Type::INT32;
  amounts.shape = {4, 2};
  amounts.buffer = Buffer::of(std::vector<int32_t>{0, 0, top, bottom, left, right, 0, 0});
  const int constant = editor.add_tensor(std::move(amounts));
  return add_result(editor, Op::PAD, {x, constant}, {}, x, shape, "_padded");
}

}  // namespace tinyml::tflite
