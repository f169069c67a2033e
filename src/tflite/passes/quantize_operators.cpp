#include <algorithm>
#include <cmath>
#include <optional>

#include "tflite/passes/quantization.h"
#include "tflite/passes/quantized_forms.h"
#include "tflite/passes/scale_limits.h"
#include "tflite/quantized_values.h"

namespace tinyml::tflite {
namespace {

// Which inputs of an operator hold what.
struct Operands {
  std::vector<size_t> activations;
  std::optional<size_t> weights, bias;
  int channel_axis = 0;  // Of the weights' per-channel scales.
};

Operands operands_of(Op op) {
  switch (op) {
    case Op::CONV_2D:
    case Op::FULLY_CONNECTED:
      return {{0}, 1, 2, 0};
    case Op::DEPTHWISE_CONV_2D:
      return {{0}, 1, 2, 3};
    case Op::TRANSPOSE_CONV:
      return {{2}, 1, 3, 0};
    case Op::ADD:
    case Op::SUB:
    case Op::MUL:
    case Op::DIV:
    case Op::SQUARED_DIFFERENCE:
    case Op::PRELU:
    case Op::BATCH_MATMUL:
      return {{0, 1}, {}, {}, 0};
    default:
      return {{0}, {}, {}, 0};
  }
}

class OperatorQuantizer {
 public:
  OperatorQuantizer(Subgraph& subgraph, Target target) : editor_(subgraph), target_(target) {}

  int run() {
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) {
      if (editor_.is_live(o) && quantize(o)) ++changes;
    }
    editor_.finish();
    return changes;
  }

 private:
  bool quantize(int o) {
    const Operator& op = editor_.op(o);
    const int out = op.outputs[0];
    if (editor_.tensor(out).type != Type::FLOAT32) return false;
    const int result = quantized_result(editor_, out);
    if (result == kNoTensor) return false;
    const Type type = editor_.tensor(result).type;
    const QuantizedForm form = quantized_form(target_, op.op, type);
    if (form != QuantizedForm::kArithmetic && form != QuantizedForm::kSameScale && form != QuantizedForm::kFixedScale) {
      return false;
    }
    Quantization quantization = editor_.tensor(result).quantization;

    const Operands operands = operands_of(op.op);
    std::vector<int> inputs = op.inputs;
    for (size_t slot : operands.activations) {
      int source = quantized_source(editor_, inputs[slot], true);
      if (source == kNoTensor && !runs_islands(target_)) source = quantized_constant(inputs[slot], type);
      if (source == kNoTensor || editor_.tensor(source).type != type) return false;
      inputs[slot] = source;
    }
    const Quantization first = editor_.tensor(inputs[operands.activations[0]]).quantization;
    const Quantization wanted = quantization;
    if (form == QuantizedForm::kSameScale) quantization = first;
    if (form == QuantizedForm::kFixedScale) {
      const FixedScale fixed = fixed_output_scale(op.op, type);
      const bool agrees =
          quantization.zero_point[0] == fixed.zero_point && std::abs(quantization.scale[0] / fixed.scale - 1) < 1e-5F;
      quantization.scale[0] = fixed.scale;
      if (!agrees) quantization.zero_point[0] = fixed.zero_point;
    }
    // Another scale than the kernel's: an island, or a requantization where islands are no use.
    const bool requantizes = form == QuantizedForm::kFixedScale
                                 ? quantization.zero_point != wanted.zero_point ||
                                       std::abs(quantization.scale[0] / wanted.scale[0] - 1) >= 1e-5F
                                 : quantization != wanted;
    if (requantizes && runs_islands(target_)) return false;
    std::vector<float> scales;
    for (size_t slot : operands.activations) scales.push_back(editor_.tensor(inputs[slot]).quantization.scale[0]);
    if (!within_scale_limits(op.op, scales, quantization.scale[0])) return false;
    if (operands.weights) {
      if (!quantize_weights(operands, type, first.scale[0], inputs)) return false;
      const std::vector<float>& weights = editor_.tensor(inputs[*operands.weights]).quantization.scale;
      if (!within_weight_limits(first.scale[0], weights, quantization.scale[0])) return false;
    }

    Tensor quantized = editor_.tensor(out);
    quantized.name += suffix_of(type);
    quantized.type = type;
    quantized.quantization = quantization;
    const int made = editor_.add_tensor(std::move(quantized));
    // Scales of 16-bit sums are any numbers, not powers of two.
    if (auto* options = std::get_if<ArithmeticOptions>(&editor_.options(o));
        options != nullptr && type == Type::INT16) {
      options->pot_scale_int16 = false;
    }
    editor_.set_inputs(o, std::move(inputs));
    editor_.set_output(o, 0, made);
    absorb_quantize(editor_, out, requantizes ? requantized(made, wanted) : made);
    return true;
  }

  int requantized(int id, const Quantization& quantization) {
    Tensor tensor = editor_.tensor(id);
    tensor.name += "_requantized";
    tensor.quantization = quantization;
    Operator op;
    op.op = Op::QUANTIZE;
    op.inputs = {id};
    op.outputs = {editor_.add_tensor(std::move(tensor))};
    const int result = op.outputs[0];
    editor_.add_operator(std::move(op));
    return result;
  }

  // A float constant in INT8, with the scale that its values need; kNoTensor when it is none.
  int quantized_constant(int id, Type type) {
    const Tensor tensor = editor_.tensor(id);
    if (!tensor.is_constant() || tensor.type != Type::FLOAT32 || type != Type::INT8) return kNoTensor;
    const auto values = tensor.buffer.as<float>();
    float low = 0;
    float high = 0;
    for (const float value : values) {
      if (!std::isfinite(value)) return kNoTensor;
      low = std::min(low, value);
      high = std::max(high, value);
    }
    const float scale = high > low ? (high - low) / 255 : 1.0F;
    const auto zero_point = static_cast<int64_t>(std::clamp(std::nearbyint(-128 - low / scale), -128.0F, 127.0F));
    Tensor constant = tensor;
    constant.name += "_int8";
    constant.type = Type::INT8;
    constant.quantization = {{scale}, {zero_point}, 0};
    constant.buffer = Buffer::of(quantize_values(values, tensor.shape, constant.quantization));
    return editor_.add_tensor(std::move(constant));
  }

  // Weights in INT8 and bias in INT32 (INT64 under 16-bit activations); false when they are not of the kind that the
  // kernels take.
  bool quantize_weights(const Operands& operands, Type type, float input_scale, std::vector<int>& inputs) {
    const size_t slot = *operands.weights;
    const int dequantize = editor_.producer_of_kind(inputs[slot], Op::DEQUANTIZE);
    const int source =
        dequantize == kNoProducer ? exact_integers(inputs[slot], operands) : editor_.op(dequantize).inputs[0];
    if (source == kNoTensor) return false;
    const Tensor weights = editor_.tensor(source);
    const Quantization& q = weights.quantization;
    if (!weights.is_constant() || weights.type != Type::INT8 || q.empty()) return false;
    if (q.per_channel() && q.quantized_dimension != operands.channel_axis) return false;
    if (std::any_of(q.zero_point.begin(), q.zero_point.end(), [](int64_t z) { return z != 0; })) return false;
    Tensor symmetric = weights;
    inputs[slot] = clip_to_symmetric(symmetric) ? editor_.add_tensor(std::move(symmetric)) : source;
    if (!operands.bias || *operands.bias >= inputs.size() || inputs[*operands.bias] == kNoTensor) return true;

    const auto values = float_constant(inputs[*operands.bias]);
    if (!values) return false;
    Tensor bias = editor_.tensor(inputs[*operands.bias]);
    const bool wide = type == Type::INT16;
    bias.type = wide ? Type::INT64 : Type::INT32;
    bias.quantization = {};
    std::vector<int64_t> rounded;
    for (size_t c = 0; c < values->size(); ++c) {
      const float scale = input_scale * q.scale[q.per_channel() ? c : 0];
      const double exact = std::nearbyint(static_cast<double>((*values)[c]) / static_cast<double>(scale));
      if (!(std::abs(exact) <= (wide ? 0x1p62 : 2147483647.0))) return false;
      rounded.push_back(static_cast<int64_t>(exact));
    }
    for (float scale : q.scale) {
      bias.quantization.scale.push_back(input_scale * scale);
      bias.quantization.zero_point.push_back(0);
    }
    if (q.per_channel() && q.scale.size() != rounded.size()) return false;
    bias.buffer =
        wide ? Buffer::of(std::move(rounded)) : Buffer::of(std::vector<int32_t>(rounded.begin(), rounded.end()));
    inputs[*operands.bias] = editor_.add_tensor(std::move(bias));
    return true;
  }

  // Float weights of one tap a channel (a batch norm that stands alone) in INT8: each is kExactSteps of its own
  // scale.
  int exact_integers(int id, const Operands& operands) {
    const Tensor weights = editor_.tensor(id);
    const auto axis = static_cast<size_t>(operands.channel_axis);
    if (!weights.is_constant() || weights.type != Type::FLOAT32 || axis >= weights.shape.size()) return kNoTensor;
    const auto values = weights.buffer.as<float>();
    if (values.empty() || values.size() != static_cast<size_t>(weights.shape[axis])) return kNoTensor;
    Tensor constant = weights;
    constant.name += "_int8";
    constant.type = Type::INT8;
    constant.quantization = {{}, std::vector<int64_t>(values.size(), 0), operands.channel_axis};
    std::vector<int8_t> integers;
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value) / kExactSteps);
    if (!std::isnormal(largest)) return kNoTensor;
    for (const float value : values) {
      const float scale = std::abs(value) / kExactSteps;
      if (!std::isfinite(value) || (value != 0 && !std::isnormal(scale))) return kNoTensor;
      constant.quantization.scale.push_back(value == 0 ? largest : scale);
      integers.push_back(static_cast<int8_t>(value == 0 ? 0 : std::copysign(kExactSteps, value)));
    }
    constant.buffer = Buffer::of(std::move(integers));
    return editor_.add_tensor(std::move(constant));
  }

  std::optional<std::vector<float>> float_constant(int id) {
    const Tensor& tensor = editor_.tensor(id);
    if (tensor.is_constant() && tensor.type == Type::FLOAT32) {
      const auto values = tensor.buffer.as<float>();
      return std::vector<float>(values.begin(), values.end());
    }
    const int made_by = editor_.producer_of_kind(id, Op::DEQUANTIZE);
    if (made_by == kNoProducer) return std::nullopt;
    const Tensor& source = editor_.tensor(editor_.op(made_by).inputs[0]);
    if (!source.is_constant() || (source.type != Type::INT8 && source.type != Type::INT16)) return std::nullopt;
    return dequantize_constant(source);
  }

  Editor editor_;
  Target target_;
};

}  // namespace

int quantize_operators(Subgraph& subgraph, Target target) { return OperatorQuantizer(subgraph, target).run(); }

}  // namespace tinyml::tflite
