#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "tflite/passes/editor.h"
#include "tflite/passes/weight_storage.h"
#include "tflite/quantized_values.h"

namespace tinyml::tflite {
namespace {

class WeightQuantizer {
 public:
  WeightQuantizer(Subgraph& subgraph, const WeightOptions& options, Target target, const Note& note)
      : editor_(subgraph), options_(options), target_(target), note_(note) {}

  int run() {
    const bool layers = options_.precision == Precision::kDynamicRange;
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) {
      if (!editor_.is_live(o)) continue;
      if (editor_.op(o).op == Op::GATHER) {
        changes += quantize_lookup(o) ? 1 : 0;
      } else if (!layers) {
        continue;
      } else if (has_hybrid_kernel(o)) {
        changes += quantize_layer(o) ? 1 : 0;
      } else if (editor_.op(o).op == Op::UNIDIRECTIONAL_SEQUENCE_LSTM) {
        changes += quantize_lstm(o) ? 1 : 0;
      }
    }
    editor_.finish();
    return changes;
  }

 private:
  // Grouped and depthwise convolutions have no fast one: their weights are compressed instead.
  bool has_hybrid_kernel(int o) const {
    const Operator& op = editor_.op(o);
    if (op.op != Op::CONV_2D && op.op != Op::FULLY_CONNECTED) return false;
    const Tensor& x = editor_.tensor(op.inputs[0]);
    if (x.type != Type::FLOAT32 || editor_.tensor(op.outputs[0]).type != Type::FLOAT32) return false;
    return op.op != Op::CONV_2D || x.shape[3] == editor_.tensor(op.inputs[1]).shape[3];
  }

  bool quantize_layer(int o) {
    const int quantized = quantized_weights(editor_.op(o).inputs[1], 0);
    if (quantized == kNoTensor) return false;
    editor_.set_input(o, 1, quantized);
    if (auto* options = std::get_if<FullyConnectedOptions>(&editor_.options(o))) {
      options->asymmetric_quantize_inputs = options_.asymmetric_inputs;
    }
    return true;
  }

  // All matrices or none, with one scale each; without peepholes and normalization.
  bool quantize_lstm(int o) {
    constexpr size_t kInputToInput = 1, kRecurrentToOutput = 8, kCellToInput = 9, kCellToOutput = 11;
    constexpr size_t kProjection = 16, kNormalization = 20;
    const Operator op = editor_.op(o);
    if (editor_.tensor(op.inputs[0]).type != Type::FLOAT32) return false;
    std::vector<std::pair<size_t, int>> matrices;
    for (size_t slot = kInputToInput; slot < op.inputs.size(); ++slot) {
      const int id = op.inputs[slot];
      if (id == kNoTensor) continue;
      if ((slot >= kCellToInput && slot <= kCellToOutput) || slot >= kNormalization) return false;
      if (slot > kRecurrentToOutput && slot != kProjection) continue;
      if (element_count(editor_.tensor(id).shape) < options_.min_elements) return false;
      matrices.emplace_back(slot, quantized_weights(id, -1));
      if (matrices.back().second == kNoTensor || editor_.tensor(matrices.back().second).quantization.per_channel()) {
        return false;
      }
    }
    for (const auto& [slot, quantized] : matrices) editor_.set_input(o, slot, quantized);
    std::get<UnidirectionalSequenceLstmOptions>(editor_.options(o)).asymmetric_quantize_inputs =
        options_.asymmetric_inputs;
    return true;
  }

  bool quantize_lookup(int o) {
    const Operator gather = editor_.op(o);
    const auto& options = std::get<GatherOptions>(gather.options);
    const Tensor table = editor_.tensor(gather.inputs[0]);
    const Tensor indices = editor_.tensor(gather.inputs[1]);
    const Tensor out = editor_.tensor(gather.outputs[0]);
    if (options.axis != 0 || options.batch_dims != 0 || table.rank() != 2 || indices.type != Type::INT32) return false;
    if (out.type != Type::FLOAT32) return false;
    const int quantized = quantized_weights(gather.inputs[0], 0);
    if (quantized == kNoTensor) return false;
    const bool micro = target_ == Target::kTfliteMicro || target_ == Target::kEthosU;
    if (micro && editor_.tensor(quantized).quantization.per_channel()) return scale_rows(o, quantized);
    const int ids = indices.rank() == 1 ? gather.inputs[1] : flattened(gather.inputs[1]);
    Operator lookup;
    lookup.op = Op::EMBEDDING_LOOKUP;
    lookup.inputs = {ids, quantized};
    editor_.remove(o);
    if (indices.rank() == 1) {
      lookup.outputs = gather.outputs;
      editor_.add_operator(std::move(lookup));
      return true;
    }
    Tensor rows = out;
    rows.name += "_rows";
    rows.shape = {count_of(indices), table.shape[1]};
    if (is_dynamic(indices)) rows.shape_signature = {-1, table.shape[1]};
    lookup.outputs = {editor_.add_tensor(std::move(rows))};
    const int made = lookup.outputs[0];
    editor_.add_operator(std::move(lookup));
    add_reshape(made, gather.outputs[0]);
    return true;
  }

  // TFLite Micro's EMBEDDING_LOOKUP takes the first row's scale for all: rows of integers times those of their scales.
  bool scale_rows(int o, int quantized) {
    const Operator gather = editor_.op(o);
    const Tensor out = editor_.tensor(gather.outputs[0]);
    Tensor table = editor_.tensor(quantized);
    Tensor scales;
    scales.name = table.name + "_scales";
    scales.type = Type::FLOAT32;
    scales.shape = {table.shape[0], 1};
    scales.buffer = Buffer::of(std::vector<float>(table.quantization.scale));
    table.quantization = {{1.0F}, {0}, 0};
    Tensor integers = out;
    integers.name += "_int8";
    integers.type = Type::INT8;
    integers.quantization = table.quantization;
    Tensor unscaled = out;
    unscaled.name += "_unscaled";
    Tensor factors = out;
    factors.name += "_scales";
    factors.shape.back() = 1;
    if (!factors.shape_signature.empty()) factors.shape_signature.back() = 1;
    const auto gathered = [&](Tensor rows, Tensor result) {
      Operator op = gather;
      op.inputs[0] = editor_.add_tensor(std::move(rows));
      op.outputs = {editor_.add_tensor(std::move(result))};
      const int id = op.outputs[0];
      editor_.add_operator(std::move(op));
      return id;
    };
    editor_.remove(o);
    Operator dequantize;
    dequantize.op = Op::DEQUANTIZE;
    dequantize.inputs = {gathered(std::move(table), std::move(integers))};
    dequantize.outputs = {editor_.add_tensor(std::move(unscaled))};
    Operator product;
    product.op = Op::MUL;
    product.options = ArithmeticOptions{};
    product.inputs = {dequantize.outputs[0], gathered(std::move(scales), std::move(factors))};
    product.outputs = gather.outputs;
    editor_.add_operator(std::move(dequantize));
    editor_.add_operator(std::move(product));
    return true;
  }

  static bool is_dynamic(const Tensor& tensor) {
    const Shape& signature = tensor.shape_signature;
    return std::any_of(signature.begin(), signature.end(), [](int32_t size) { return size < 0; });
  }

  static int32_t count_of(const Tensor& tensor) { return static_cast<int32_t>(element_count(tensor.shape)); }

  int flattened(int id) {
    Tensor flat = editor_.tensor(id);
    flat.name += "_flat";
    flat.shape = {count_of(flat)};
    flat.shape_signature = is_dynamic(flat) ? Shape{-1} : Shape();
    if (flat.is_constant()) return editor_.add_tensor(std::move(flat));
    const int result = editor_.add_tensor(std::move(flat));
    add_reshape(id, result);
    return result;
  }

  void add_reshape(int from, int to) {
    Operator op;
    op.op = Op::RESHAPE;
    op.inputs = {from};
    op.outputs = {to};
    const Shape& signature = editor_.tensor(to).shape_signature;
    const Shape shape = signature.empty() ? editor_.tensor(to).shape : signature;
    op.options = ReshapeOptions{.new_shape = shape};
    if (std::count(shape.begin(), shape.end(), -1) > 1) {  // Its operand is computed once all passes are done.
      editor_.add_operator(std::move(op));
      return;
    }
    Tensor target;
    target.name = editor_.tensor(to).name + "_shape";
    target.type = Type::INT32;
    target.shape = {static_cast<int32_t>(shape.size())};
    target.buffer = Buffer::of(std::vector<int32_t>(shape.begin(), shape.end()));
    op.inputs.push_back(editor_.add_tensor(std::move(target)));
    editor_.add_operator(std::move(op));
  }

  // The INT8 tensor that stands for the weights, made once for each; kNoTensor when they stay float.
  int quantized_weights(int id, int axis) {
    if (const auto found = made_.find(id); found != made_.end()) return found->second;
    const int result = make_quantized(id, axis);
    made_.emplace(id, result);
    return result;
  }

  int make_quantized(int id, int axis) {
    if (const int dequantize = editor_.producer_of_kind(id, Op::DEQUANTIZE); dequantize != kNoProducer) {
      const int source = editor_.op(dequantize).inputs[0];
      return is_symmetric(editor_.tensor(source), axis) ? symmetric_twin(source) : kNoTensor;
    }
    const Tensor& weights = editor_.tensor(id);
    if (options_.precision != Precision::kDynamicRange) return kNoTensor;  // What has no scale stays float.
    if (!weights.is_constant() || weights.type != Type::FLOAT32 || weights.is_variable) return kNoTensor;
    if (element_count(weights.shape) < options_.min_elements) return kNoTensor;
    std::optional<Tensor> quantized = quantize_symmetric(weights, options_.per_channel ? axis : -1);
    if (!quantized) {
      note_("the weights '" + weights.name + "' stay FLOAT32: they hold values that are not finite");
      return kNoTensor;
    }
    return editor_.add_tensor(std::move(*quantized));
  }

  static bool is_symmetric(const Tensor& weights, int axis) {
    const Quantization& q = weights.quantization;
    if (!weights.is_constant() || weights.type != Type::INT8 || q.empty()) return false;
    if (q.per_channel() && q.quantized_dimension != axis) return false;
    return std::all_of(q.zero_point.begin(), q.zero_point.end(), [](int64_t z) { return z == 0; });
  }

  int symmetric_twin(int source) {
    Tensor tensor = editor_.tensor(source);
    if (!clip_to_symmetric(tensor)) return source;
    return editor_.add_tensor(std::move(tensor));
  }

  Editor editor_;
  const WeightOptions& options_;
  Target target_;
  const Note& note_;
  std::map<int, int> made_;
};

}  // namespace

std::optional<Tensor> quantize_symmetric(const Tensor& weights, int axis) {
  const auto values = weights.buffer.as<float>();
  const bool per_channel = axis >= 0 && weights.shape[static_cast<size_t>(axis)] > 1;
  size_t inner = 1;
  const size_t channels = per_channel ? static_cast<size_t>(weights.shape[static_cast<size_t>(axis)]) : 1;
  if (per_channel) {
    for (size_t i = static_cast<size_t>(axis) + 1; i < weights.shape.size(); ++i) {
      inner *= static_cast<size_t>(weights.shape[i]);
    }
  }
  std::vector<float> largest(channels, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return std::nullopt;
    float& most = largest[i / inner % channels];
    most = std::max(most, std::abs(values[i]));
  }
  Tensor result = weights;
  result.type = Type::INT8;
  result.quantization = {};
  for (const float most : largest) {
    const float scale = most / 127;
    result.quantization.scale.push_back(std::isnormal(scale) ? scale : 1.0F);
    result.quantization.zero_point.push_back(0);
  }
  result.quantization.quantized_dimension = per_channel ? axis : 0;
  result.buffer = Buffer::of(quantize_values(values, weights.shape, result.quantization));
  return result;
}

int quantize_weights(Subgraph& subgraph, const WeightOptions& options, Target target, const Note& note) {
  return WeightQuantizer(subgraph, options, target, note).run();
}

}  // namespace tinyml::tflite
