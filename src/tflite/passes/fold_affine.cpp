#include <algorithm>
#include <cmath>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/passes/activations.h"
#include "tflite/passes/affine.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"
#include "tflite/passes/quantization.h"

namespace tinyml::tflite {
namespace {

// The map of -x; affine_of for all others.
std::optional<Affine> map_of(const Editor& editor, const Operator& op, int x, size_t channels) {
  if (op.op == Op::NEG) return Affine{std::vector<float>(channels, -1), std::vector<float>(channels, 0)};
  return affine_of(editor, op, x, channels);
}

// Folds affine maps into what makes the value, through operators that an affine map of each channel passes: RESHAPE
// that keeps the channels, averages, resizing, CONCATENATION of the channels; PAD by zeros, if there is no shift.
class Folder {
 public:
  explicit Folder(Editor& editor) : editor_(editor) {}

  // Whether the value `x`, which only `reader` reads, can take the map and then the activation in.
  bool accepts(int x, int reader, size_t channels, Activation activation, bool shifts, int depth = 0) const {
    const int o = editor_.producer(x);
    if (o == kNoProducer || depth > 8 || editor_.only_consumer(x) != reader) return false;
    const Operator& op = editor_.op(o);
    const Tensor& made = editor_.tensor(x);
    if (made.shape.empty() || made.type != Type::FLOAT32) return false;
    if (static_cast<size_t>(made.shape.back()) != channels) return false;
    switch (op.op) {
      case Op::RESHAPE: {
        const Tensor& before = editor_.tensor(op.inputs[0]);
        return !before.shape.empty() && before.shape.back() == made.shape.back() &&
               accepts(op.inputs[0], o, channels, activation, shifts, depth + 1);
      }
      case Op::PAD: {
        const Tensor& before = editor_.tensor(op.inputs[0]);
        return !shifts && before.shape.back() == made.shape.back() &&
               accepts(op.inputs[0], o, channels, activation, shifts, depth + 1);
      }
      case Op::RESIZE_NEAREST_NEIGHBOR:
        return accepts(op.inputs[0], o, channels, activation, shifts, depth + 1);
      case Op::RESIZE_BILINEAR:
        return activation == Activation::NONE && accepts(op.inputs[0], o, channels, activation, shifts, depth + 1);
      case Op::AVERAGE_POOL_2D:
        return activation == Activation::NONE && std::get<Pool2DOptions>(op.options).activation == Activation::NONE &&
               accepts(op.inputs[0], o, channels, activation, shifts, depth + 1);
      case Op::MEAN:
        return activation == Activation::NONE && averages_positions(op) &&
               accepts(op.inputs[0], o, channels, activation, shifts, depth + 1);
      case Op::CONCATENATION: {
        const auto& options = std::get<ConcatenationOptions>(op.options);
        if (options.activation != Activation::NONE || normalized_axis(options.axis, made.rank()) != made.rank() - 1) {
          return false;
        }
        return std::all_of(op.inputs.begin(), op.inputs.end(), [&](int part) {
          const Shape& shape = editor_.tensor(part).shape;
          return !shape.empty() && accepts(part, o, static_cast<size_t>(shape.back()), activation, shifts, depth + 1);
        });
      }
      default:
        return linear_accepts(op, channels);
    }
  }

  void fold(int x, const Affine& affine, Activation activation) {
    const int o = editor_.producer(x);
    const Operator op = editor_.op(o);
    if (op.op == Op::CONCATENATION) {
      std::ptrdiff_t at = 0;
      for (const int part : op.inputs) {
        const std::ptrdiff_t end = at + editor_.tensor(part).shape.back();
        fold(part,
             {{affine.scale.begin() + at, affine.scale.begin() + end},
              {affine.shift.begin() + at, affine.shift.begin() + end}},
             activation);
        at = end;
      }
      return;
    }
    if (output_channel_axis(op.op) < 0) return fold(op.inputs[0], affine, activation);  // What passes it on.
    fold_linear(o, affine);
    *fused_activation(editor_.options(o), op.op) = activation;
  }

 private:
  bool averages_positions(const Operator& op) const {
    const auto axes = constant_integers(editor_.subgraph(), op, 1);
    const int rank = editor_.tensor(op.inputs[0]).rank();
    return axes && std::all_of(axes->begin(), axes->end(),
                               [&](int64_t axis) { return normalized_axis(axis, rank) != rank - 1; });
  }

  bool linear_accepts(const Operator& op, size_t channels) const {
    const int axis = output_channel_axis(op.op);
    if (axis < 0) return false;
    if (*fused_activation(op.options, op.op) != Activation::NONE) return false;
    const Tensor& weights = editor_.tensor(op.inputs[1]);
    return weights.is_constant() && weights.type == Type::FLOAT32 && axis < weights.rank() &&
           static_cast<size_t>(weights.shape[static_cast<size_t>(axis)]) == channels &&
           bias_of(editor_, op, channels).has_value();
  }

  void fold_linear(int o, const Affine& affine) {
    const Operator& op = editor_.op(o);
    const Tensor& weights = editor_.tensor(op.inputs[1]);
    const size_t channels = affine.scale.size();
    std::vector<float> bias = *bias_of(editor_, op, channels);
    size_t inner = 1;
    for (size_t i = static_cast<size_t>(output_channel_axis(op.op)) + 1; i < weights.shape.size(); ++i) {
      inner *= static_cast<size_t>(weights.shape[i]);
    }
    const auto old = weights.buffer.as<float>();
    std::vector<float> scaled(old.begin(), old.end());
    for (size_t start = 0, c = 0; start < scaled.size(); start += inner, c = c + 1 == channels ? 0 : c + 1) {
      for (size_t i = start; i < start + inner; ++i) scaled[i] *= affine.scale[c];
    }
    for (size_t c = 0; c < channels; ++c) bias[c] = bias[c] * affine.scale[c] + affine.shift[c];
    replace_weights(editor_, o, std::move(scaled), std::move(bias));
  }

  Editor& editor_;
};

}  // namespace

int fold_affine(Subgraph& subgraph) {
  Editor editor(subgraph);
  Folder folder(editor);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Operator& op = editor.op(o);
    const auto* options = std::get_if<ArithmeticOptions>(&op.options);
    if (op.op != Op::NEG && (options == nullptr || op.inputs.size() != 2)) continue;
    const int x = op.op != Op::NEG && editor.tensor(op.inputs[0]).is_constant() ? op.inputs[1] : op.inputs[0];
    const int out = op.outputs[0];
    const Activation activation = options != nullptr ? options->activation : Activation::NONE;
    const Tensor& made = editor.tensor(x);
    if (made.shape != editor.tensor(out).shape || made.shape.empty() || made.type != Type::FLOAT32) continue;
    const auto channels = static_cast<size_t>(made.shape.back());
    const auto affine = map_of(editor, op, x, channels);
    if (!affine) continue;
    const bool shifts = std::any_of(affine->shift.begin(), affine->shift.end(), [](float s) { return s != 0; });
    if (!folder.accepts(x, o, channels, activation, shifts)) continue;
    folder.fold(x, *affine, activation);
    editor.remove(o);
    editor.replace_uses(out, x);
    ++changes;
  }
  editor.finish();
  return changes;
}

namespace {

// The factors of an integer value as INT8 weights: one for each channel, so kExactSteps of its own size hold it
// exactly. A factor that is tiny beside its shift gets a larger step, so that the shift fits into the INT32 bias.
int exact_weights(Editor& editor, Tensor weights, const std::vector<float>& factors, const std::vector<float>& shifts,
                  float input_scale) {
  Quantization quantization;
  quantization.quantized_dimension = 3;
  std::vector<int8_t> integers;
  const auto magnitude = [](float a, float b) { return std::abs(a) < std::abs(b); };
  const float largest = std::abs(*std::max_element(factors.begin(), factors.end(), magnitude));
  for (size_t c = 0; c < factors.size(); ++c) {
    const float own = std::abs(factors[c]) / kExactSteps;
    const float for_shift = std::abs(shifts[c]) / input_scale * 0x1p-30F;
    float step = std::max(own, for_shift);
    if (!(step > 0)) step = largest > 0 ? largest / kExactSteps : 1.0F;
    quantization.scale.push_back(step);
    quantization.zero_point.push_back(0);
    integers.push_back(static_cast<int8_t>(std::clamp(std::nearbyint(factors[c] / step), -127.0F, 127.0F)));
  }
  Tensor stored = weights;
  stored.type = Type::INT8;
  stored.quantization = std::move(quantization);
  stored.buffer = Buffer::of(std::move(integers));
  Operator dequantize;
  dequantize.op = Op::DEQUANTIZE;
  dequantize.inputs = {editor.add_tensor(std::move(stored))};
  weights.name += "_real";
  weights.buffer = Buffer();
  const int real = editor.add_tensor(std::move(weights));
  dequantize.outputs = {real};
  editor.add_operator(std::move(dequantize));
  return real;
}

// The INT8 tensor whose scale the value has or will have once DEQUANTIZEs have moved behind what only moves values.
int integers_behind(const Editor& editor, int id) {
  for (int steps = 0; steps < 16; ++steps) {
    const int made_by = editor.producer(id);
    if (made_by == kNoProducer) return kNoTensor;
    const Operator& op = editor.op(made_by);
    switch (op.op) {
      case Op::DEQUANTIZE: {
        const int source = quantized_source(editor, id, false);
        return source != kNoTensor && editor.tensor(source).type == Type::INT8 ? source : kNoTensor;
      }
      case Op::SPLIT:
        id = op.inputs[1];
        break;
      case Op::CONCATENATION:
      case Op::MAX_POOL_2D:
      case Op::MIRROR_PAD:
      case Op::PAD:
      case Op::PADV2:
      case Op::RESHAPE:
      case Op::RESIZE_NEAREST_NEIGHBOR:
      case Op::SLICE:
      case Op::STRIDED_SLICE:
      case Op::TRANSPOSE:
        id = op.inputs[0];
        break;
      default:
        return kNoTensor;
    }
  }
  return kNoTensor;
}

}  // namespace

int form_depthwise_affine(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    if (editor.op(o).op != Op::MUL) continue;
    const Operator mul = editor.op(o);
    const int x = editor.tensor(mul.inputs[0]).is_constant() ? mul.inputs[1] : mul.inputs[0];
    const int middle = mul.outputs[0];
    const int next = editor.only_consumer(middle);
    const Tensor source = editor.tensor(x);
    if (next == kGraphOutput || editor.op(next).op != Op::ADD || source.rank() != 4 || source.is_constant()) continue;
    if (std::get<ArithmeticOptions>(mul.options).activation != Activation::NONE) continue;
    const Operator add = editor.op(next);
    const int out = add.outputs[0];
    if (source.type != Type::FLOAT32 || source.shape != editor.tensor(out).shape) continue;
    const auto channels = static_cast<size_t>(source.shape[3]);
    const auto scale = affine_of(editor, mul, x, channels);
    const auto shift = affine_of(editor, add, middle, channels);
    if (!scale || !shift) continue;
    Tensor weights;
    weights.name = editor.tensor(out).name + "_scale";
    weights.shape = {1, 1, 1, source.shape[3]};
    const int integers = integers_behind(editor, x);
    const bool quantized = integers != kNoTensor;
    if (!quantized) weights.buffer = Buffer::of(scale->scale);
    Tensor bias;
    bias.name = editor.tensor(out).name + "_shift";
    bias.shape = {source.shape[3]};
    bias.buffer = Buffer::of(shift->shift);
    Operator depthwise;
    depthwise.op = Op::DEPTHWISE_CONV_2D;
    depthwise.options = DepthwiseConv2DOptions{.activation = std::get<ArithmeticOptions>(add.options).activation};
    const int factors = quantized ? exact_weights(editor, std::move(weights), scale->scale, shift->shift,
                                                  editor.tensor(integers).quantization.scale[0])
                                  : editor.add_tensor(std::move(weights));
    depthwise.inputs = {x, factors, editor.add_tensor(std::move(bias))};
    depthwise.outputs = {out};
    editor.remove(o);
    editor.remove(next);
    editor.add_operator(std::move(depthwise));
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
