#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"
#include "tflite/quantized_values.h"

namespace tinyml::tflite {
namespace {

constexpr int32_t kMostTaps = 25;  // Of XNNPACK's fast depthwise kernels.
constexpr int32_t kMostParts = 8;

int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

// Into how many parts to split rows and columns; {0, 0} when there is no way.
std::pair<int32_t, int32_t> choose_parts(int32_t rows, int32_t columns) {
  std::pair<int32_t, int32_t> best = {0, 0};
  for (int32_t h = 1; h <= kMostParts && h <= rows; ++h) {
    for (int32_t w = 1; h * w <= kMostParts && w <= columns; ++w) {
      const bool fits = ceil_div(rows, h) * ceil_div(columns, w) <= kMostTaps;
      if (fits && (best.first == 0 || h * w < best.first * best.second)) best = {h, w};
    }
  }
  return best;
}

// Every `parts`-th tap from `first` on.
struct Strided {
  int32_t first, taps, before, after;
};

Strided strided(const Axis& axis, int32_t parts, int32_t first) {
  const int32_t taps = ceil_div(axis.kernel - first, parts);
  const int32_t last = first + (taps - 1) * parts;
  return {first, taps, axis.before - first, axis.after - (axis.kernel - 1 - last)};
}

Tensor as_real(const Tensor& tensor) {
  Tensor real = tensor;
  real.type = Type::FLOAT32;
  real.quantization = {};
  if (tensor.type == Type::INT8) {
    real.buffer = Buffer::of(dequantize_values(tensor.buffer.as<int8_t>(), tensor.shape, tensor.quantization));
  } else if (tensor.type == Type::INT32) {
    std::vector<float> values;
    const auto integers = tensor.buffer.as<int32_t>();
    const Quantization& q = tensor.quantization;
    for (size_t i = 0; i < integers.size(); ++i) {
      values.push_back(static_cast<float>(integers[i]) * q.scale[q.per_channel() ? i : 0]);
    }
    real.buffer = Buffer::of(std::move(values));
  }
  return real;
}

int as_real_value(Editor& editor, int id, const char* suffix) {
  Tensor real = editor.tensor(id);
  real.name += suffix;
  real.type = Type::FLOAT32;
  real.quantization = {};
  return editor.add_tensor(std::move(real));
}

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::DEPTHWISE_CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || view->height.dilation != 1 || view->width.dilation != 1) return false;
  if (view->height.kernel * view->width.kernel <= kMostTaps) return false;
  if (!policy.uses(Form::kStrips, view->quantized)) return false;
  const Operator op = editor.op(o);
  const Tensor weights = as_real(editor.tensor(op.inputs[1]));
  const Shape old = weights.shape;
  if (old[3] != editor.tensor(view->source).shape[3]) return false;  // A multiplier.
  const auto chosen = choose_parts(old[1], old[2]);
  const auto high = chosen.first, wide = chosen.second;
  if (high == 0) return false;
  for (int32_t r = 0; r < high; ++r) {
    for (int32_t c = 0; c < wide; ++c) {
      const Strided rows = strided(view->height, high, r);
      const Strided columns = strided(view->width, wide, c);
      if (rows.before < 0 || rows.after < 0 || columns.before < 0 || columns.after < 0) return false;
    }
  }
  // Sums of parts have no scale of their own, so INT8 values are summed as floats.
  const int out = op.outputs[0];
  int source = view->source;
  int real_out = out;
  if (view->quantized) {
    Operator dequantize;
    dequantize.op = Op::DEQUANTIZE;
    dequantize.inputs = {source};
    source = as_real_value(editor, source, "_float");
    dequantize.outputs = {source};
    editor.add_operator(std::move(dequantize));
    real_out = as_real_value(editor, out, "_float");
  }
  const Tensor bias = as_real(editor.tensor(op.inputs[2]));
  const Shape shape = editor.tensor(out).shape;
  editor.remove(o);
  int sum = kNoTensor;
  const int32_t parts = high * wide;
  for (int32_t part = 0; part < parts; ++part) {
    const Strided rows = strided(view->height, high, part / wide);
    const Strided columns = strided(view->width, wide, part % wide);
    const Tensor taps = remap_constant(weights, {1, rows.taps, columns.taps, old[3]}, [&](const Shape& i) {
      return (int64_t{rows.first + i[1] * high} * old[2] + columns.first + i[2] * wide) * old[3] + i[3];
    });
    const Tensor own_bias = remap_constant(bias, bias.shape, [&](const Shape& i) { return part == 0 ? i[0] : -1; });
    const int x = add_spatial_padding(editor, source, rows.before, rows.after, columns.before, columns.after);
    DepthwiseConv2DOptions options{.padding = Padding::VALID};
    options.stride_h = view->height.stride;
    options.stride_w = view->width.stride;
    options.dilation_h = high;
    options.dilation_w = wide;
    const int y = add_result(editor, Op::DEPTHWISE_CONV_2D, {x, editor.add_tensor(taps), editor.add_tensor(own_bias)},
                             options, real_out, shape, "_part");
    if (part == 0) {
      sum = y;
      continue;
    }
    Operator add;
    add.op = Op::ADD;
    add.inputs = {sum, y};
    add.options = ArithmeticOptions{.activation = part + 1 == parts ? view->activation : Activation::NONE};
    add.outputs = {part + 1 == parts ? real_out : add_like(editor, real_out, shape, "_sum")};
    sum = add.outputs[0];
    editor.add_operator(std::move(add));
  }
  if (view->quantized) {
    Operator quantize;
    quantize.op = Op::QUANTIZE;
    quantize.inputs = {real_out};
    quantize.outputs = {out};
    editor.add_operator(std::move(quantize));
  }
  return true;
}

}  // namespace

int split_taps(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
