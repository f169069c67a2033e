#include <algorithm>
#include <cmath>
#include <map>

#include "tflite/passes/editor.h"
#include "tflite/passes/weight_storage.h"
#include "tinyml/tensor.h"

namespace tinyml::tflite {
namespace {

constexpr float kLargestHalf = 65504.0F;
constexpr float kSmallestNormalHalf = 0x1p-14F;
constexpr int64_t kOverhead = 256;  // Bytes that another tensor and a DEQUANTIZE cost in the file.

// A FLOAT16 twin; nullopt, with the reason noted, when the values do not fit.
std::optional<Tensor> as_half(const Tensor& constant, const Note& note) {
  const auto values = constant.buffer.as<float>();
  float largest = 0;
  std::vector<uint16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    halves.push_back(float_to_half(value));
  }
  if (largest > kLargestHalf) {
    note("the constant '" + constant.name + "' stays FLOAT32: " + std::to_string(largest) +
         " is beyond FLOAT16's 65504");
    return std::nullopt;
  }
  if (largest != 0 && largest < kSmallestNormalHalf) {
    note("the constant '" + constant.name + "' stays FLOAT32: all of it is below FLOAT16's normal numbers");
    return std::nullopt;
  }
  Tensor result = constant;
  result.type = Type::FLOAT16;
  result.buffer = Buffer::of(std::move(halves));
  return result;
}

// The axis of the output channels where weights are worth compressing to INT8, by operator and operand; -1 for one
// scale.
std::optional<int> weight_axis(const Operator& op, int slot) {
  switch (op.op) {
    case Op::DEPTHWISE_CONV_2D:
      return slot == 1 ? std::optional(3) : std::nullopt;
    case Op::CONV_2D:
    case Op::TRANSPOSE_CONV:
      return slot == 1 ? std::optional(0) : std::nullopt;
    case Op::CONV_3D:
      return slot == 1 ? std::optional(4) : std::nullopt;
    case Op::UNIDIRECTIONAL_SEQUENCE_LSTM:  // Of the inputs and of the state, one matrix for each gate.
      return slot >= 1 && slot <= 8 ? std::optional(0) : std::nullopt;
    case Op::BATCH_MATMUL:
      return slot == 1 ? std::optional(-1) : std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

int compress_constants(Subgraph& subgraph, const WeightOptions& options, const Note& note) {
  if (options.precision == Precision::kFloat32) return 0;
  const bool half = options.precision == Precision::kFloat16;
  Editor editor(subgraph);
  int changes = 0;
  const int count = static_cast<int>(subgraph.tensors.size());
  for (int id = 0; id < count; ++id) {
    const Tensor& constant = editor.tensor(id);
    const std::vector<Use> uses = editor.consumers(id);
    if (!constant.is_constant() || constant.type != Type::FLOAT32 || constant.is_variable || uses.empty()) continue;
    const int64_t elements = element_count(constant.shape);
    if (elements * (half ? 2 : 3) < kOverhead || (!half && elements < options.min_elements)) continue;
    std::optional<int> axis;
    bool fits = true;
    for (const Use& use : uses) {
      if (use.op == kGraphOutput) {
        fits = false;
        break;
      }
      const std::optional<int> wanted = weight_axis(editor.op(use.op), use.input);
      fits = fits && (half || (wanted && (!axis || *axis == *wanted)));
      axis = wanted;
    }
    if (!fits) continue;
    std::optional<Tensor> small =
        half ? as_half(constant, note) : quantize_symmetric(constant, options.per_channel ? *axis : -1);
    if (!small) continue;
    Tensor large = constant;
    large.name += "_float32";
    large.buffer = Buffer();
    Operator dequantize;
    dequantize.op = Op::DEQUANTIZE;
    const int result = editor.add_tensor(std::move(large));
    dequantize.inputs = {editor.add_tensor(std::move(*small))};
    dequantize.outputs = {result};
    for (const Use& use : uses) editor.set_input(use.op, static_cast<size_t>(use.input), result);
    editor.add_operator(std::move(dequantize));
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
