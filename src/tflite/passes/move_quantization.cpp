#include <cmath>
#include <optional>

#include "tflite/passes/activations.h"
#include "tflite/passes/quantization.h"
#include "tflite/passes/quantized_forms.h"
#include "tflite/quantized_values.h"

namespace tinyml::tflite {
namespace {

size_t moved_input(Op op) { return op == Op::SPLIT ? 1 : 0; }

class Mover {
 public:
  Mover(Subgraph& subgraph, Target target) : editor_(subgraph), target_(target) {}

  int run() {
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) changes_ += push_forward(o) ? 1 : 0;
    for (int o = count; o-- > 0;) changes_ += pull_backward(o) ? 1 : 0;
    editor_.finish();
    return changes_;
  }

 private:
  bool has_activation(int o) const {
    const Activation* activation = fused_activation(editor_.op(o).options, editor_.op(o).op);
    return activation != nullptr && *activation != Activation::NONE;
  }

  bool is(int o, QuantizedForm form, Type type = Type::INT8) const {
    if (!editor_.is_live(o) || quantized_form(target_, editor_.op(o).op, type) != form || has_activation(o))
      return false;
    const auto* concatenation = std::get_if<ConcatenationOptions>(&editor_.op(o).options);
    return concatenation == nullptr || concatenation->activation == Activation::NONE;
  }

  // The integers of a type and their scale.
  struct Grid {
    Type type;
    Quantization quantization;
    bool operator==(const Grid&) const = default;
  };
  Grid grid_of(int id) const { return {editor_.tensor(id).type, editor_.tensor(id).quantization}; }

  // The integer twin of a float tensor.
  int quantized_twin(int id, const Grid& grid) {
    const auto& [type, quantization] = grid;
    Tensor twin = editor_.tensor(id);
    twin.name += suffix_of(type);
    twin.type = type;
    twin.quantization = quantization;
    twin.buffer = Buffer();
    return editor_.add_tensor(std::move(twin));
  }

  int add_unary(Op kind, int input, int output) {
    Operator op;
    op.op = kind;
    op.inputs = {input};
    op.outputs = {output};
    return editor_.add_operator(std::move(op));
  }

  // The constant that PADV2 writes, in the scale of the values; nullopt when no integer does the same.
  std::optional<int> padding_constant(int o, const Grid& grid) {
    const auto& [type, quantization] = grid;
    const int least = type == Type::INT8 ? -128 : -32768;
    const int most = type == Type::INT8 ? 127 : 32767;
    const Operator& op = editor_.op(o);
    const Tensor& value = editor_.tensor(op.inputs[2]);
    if (!value.is_constant() || value.type != Type::FLOAT32) return std::nullopt;
    const double q = std::round(static_cast<double>(value.buffer.as<float>()[0]) / quantization.scale[0]) +
                     static_cast<double>(quantization.zero_point[0]);
    const double back = (q - static_cast<double>(quantization.zero_point[0])) * quantization.scale[0];
    const bool exact =
        q >= least && q <= most && std::abs(back - value.buffer.as<float>()[0]) < 1e-6 * quantization.scale[0];
    bool only_pooled = true;
    for (const Use& use : editor_.consumers(op.outputs[0])) {
      only_pooled = only_pooled && use.op != kGraphOutput && editor_.op(use.op).op == Op::MAX_POOL_2D;
    }
    if (!exact && !(q < least && only_pooled)) return std::nullopt;
    Tensor constant = value;
    constant.type = type;
    constant.quantization = quantization;
    const int stored = exact ? static_cast<int>(q) : least;
    constant.buffer = type == Type::INT8 ? Buffer::of(std::vector<int8_t>{static_cast<int8_t>(stored)})
                                         : Buffer::of(std::vector<int16_t>{static_cast<int16_t>(stored)});
    return editor_.add_tensor(std::move(constant));
  }

  // Gives the operator integer inputs in place of its float ones; false (and nothing changed) when an attribute forbids
  // it.
  bool set_quantized_inputs(int o, const std::vector<std::pair<size_t, int>>& inputs, const Grid& grid) {
    std::optional<int> padding;
    if (editor_.op(o).op == Op::PADV2) {
      padding = padding_constant(o, grid);
      if (!padding) return false;
    }
    for (const auto& [slot, id] : inputs) editor_.set_input(o, slot, id);
    if (padding) editor_.set_input(o, 2, *padding);
    return true;
  }

  bool push_forward(int o) {
    const bool gathers = is(o, QuantizedForm::kGathering);
    if (!gathers && !is(o, QuantizedForm::kMovement)) return false;
    const std::vector<int> inputs = editor_.op(o).inputs;
    std::vector<std::pair<size_t, int>> sources;
    for (size_t slot = 0; slot < inputs.size(); ++slot) {
      if (!gathers && slot != moved_input(editor_.op(o).op)) continue;
      const int source = quantized_source(editor_, inputs[slot], false);
      if (source == kNoTensor) return false;
      if (!sources.empty() && grid_of(source) != grid_of(sources[0].second)) return false;
      sources.emplace_back(slot, source);
    }
    if (sources.empty()) return false;
    const Grid grid = grid_of(sources[0].second);
    if (!is(o, gathers ? QuantizedForm::kGathering : QuantizedForm::kMovement, grid.type)) return false;
    if (!set_quantized_inputs(o, sources, grid)) return false;
    const std::vector<int> outputs = editor_.op(o).outputs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const int twin = quantized_twin(outputs[i], grid);
      editor_.set_output(o, i, twin);
      add_unary(Op::DEQUANTIZE, twin, outputs[i]);
    }
    return true;
  }

  // A table with integers of its own is not stored once more for each grid that its rows are rounded to.
  bool reads_integer_table(int o) const {
    if (editor_.op(o).op != Op::GATHER) return false;
    const int made_by = editor_.producer_of_kind(editor_.op(o).inputs[0], Op::DEQUANTIZE);
    return made_by != kNoProducer && editor_.tensor(editor_.op(made_by).inputs[0]).is_constant();
  }

  bool pull_backward(int o) {
    const bool gathers = is(o, QuantizedForm::kGathering);
    if ((!gathers && !is(o, QuantizedForm::kMovement)) || reads_integer_table(o)) return false;
    const std::vector<int> outputs = editor_.op(o).outputs;
    std::optional<Grid> grid;
    for (int id : outputs) {
      if (editor_.tensor(id).type != Type::FLOAT32) return false;
      if (editor_.consumers(id).empty()) continue;
      const int q = quantized_result(editor_, id);
      if (q == kNoTensor) return false;
      if (grid && grid_of(q) != *grid) return false;
      grid = grid_of(q);
    }
    if (!grid || !is(o, gathers ? QuantizedForm::kGathering : QuantizedForm::kMovement, grid->type)) return false;
    const std::vector<int> inputs = editor_.op(o).inputs;
    std::vector<std::pair<size_t, int>> sources;
    for (size_t slot = 0; slot < inputs.size(); ++slot) {
      if (!gathers && slot != moved_input(editor_.op(o).op)) continue;
      if (editor_.tensor(inputs[slot]).type != Type::FLOAT32) return false;
      sources.emplace_back(slot, quantized_operand(inputs[slot], *grid));
    }
    if (!set_quantized_inputs(o, sources, *grid)) return false;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const int twin = quantized_twin(outputs[i], *grid);
      editor_.set_output(o, i, twin);
      absorb_quantize(editor_, outputs[i], twin);
    }
    return true;
  }

  // The value on that grid: a constant, the tensor behind it where it lies there already, or a QUANTIZE (between
  // integers for quantized values).
  int quantized_operand(int id, const Grid& grid) {
    const Tensor tensor = editor_.tensor(id);
    if (tensor.is_constant()) {
      const int constant = quantized_twin(id, grid);
      editor_.tensor(constant).buffer =
          quantize_constant(tensor.buffer.as<float>(), tensor.shape, grid.quantization, grid.type);
      return constant;
    }
    const int source = quantized_source(editor_, id, false);
    if (source != kNoTensor && grid_of(source) == grid) return source;
    for (const Use& use : editor_.consumers(id)) {  // A QUANTIZE that is there already.
      if (use.op == kGraphOutput || editor_.op(use.op).op != Op::QUANTIZE) continue;
      if (grid_of(editor_.op(use.op).outputs[0]) == grid) return editor_.op(use.op).outputs[0];
    }
    const int made = quantized_twin(id, grid);
    add_unary(Op::QUANTIZE, source != kNoTensor ? source : id, made);
    return made;
  }

  Editor editor_;
  Target target_;
  int changes_ = 0;
};

}  // namespace

int move_quantization(Subgraph& subgraph, Target target) { return Mover(subgraph, target).run(); }

}  // namespace tinyml::tflite
