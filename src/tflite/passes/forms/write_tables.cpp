#include <algorithm>
#include <cmath>
#include <map>

#include "tflite/passes/forms/forms.h"
#include "tflite/passes/forms/scalar_functions.h"
#include "tflite/passes/quantization.h"
#include "tflite/passes/quantized_forms.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostOperators = 32;      // Of an island that is looked at.
constexpr double kExponentLimit = 80;      // exp of more overflows FLOAT32.
constexpr double kTolerance = 1.0 + 1e-9;  // Steps of the result.

using Values = std::vector<double>;  // One for each of the 256 values of the island's source.

// A plan for one value of the island: how it is computed from the INT8 source, and what comes out.
struct Plan {
  std::vector<int> chain;  // Float operators, from the first on; applied to `from`.
  int join = -1;           // The operator that joins the parts, in front of the chain; none: it reads the source.
  bool softplus = false;   // The chain starts with log(1 + exp(x)) in place of `chain[0]`.
  std::vector<Plan> parts;
  Values exact;  // At the chain's end.
};

Quantization quantization_for(const Values& values) {
  const double low = std::min(0.0, *std::min_element(values.begin(), values.end()));
  const double high = std::max(0.0, *std::max_element(values.begin(), values.end()));
  const double scale = high > low ? (high - low) / 255 : 1.0;
  const double zero_point = std::clamp(std::nearbyint(-128 - low / scale), -128.0, 127.0);
  return {{static_cast<float>(scale)}, {static_cast<int64_t>(zero_point)}, 0};
}

Values quantized(const Values& values, const Quantization& q) {
  Values result;
  for (const double value : values) {
    const double step = std::nearbyint(value / q.scale[0]) + static_cast<double>(q.zero_point[0]);
    result.push_back((std::clamp(step, -128.0, 127.0) - static_cast<double>(q.zero_point[0])) * q.scale[0]);
  }
  return result;
}

// Whether XNNPACK's INT8 ADD, SUB and MUL take these scales.
bool scales_fit(Op op, double a, double b, double out) {
  if (op == Op::MUL) return a * b / out >= 0x1p-16 && a * b / out < 0x1p7;
  const auto fits = [&](double scale) { return scale / out >= 0x1p-10 && scale / out < 0x1p7; };
  return fits(a) && fits(b);
}

class TableWriter {
 public:
  explicit TableWriter(Subgraph& subgraph) : editor_(subgraph) {}

  int run() {
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) {
      if (editor_.is_live(o) && editor_.op(o).op == Op::QUANTIZE) changes += rewrite(o) ? 1 : 0;
    }
    editor_.finish();
    return changes;
  }

 private:
  // The one INT8 value that everything in front of `id` is computed from; kNoTensor when it is no island of joins.
  int source_of(int id, bool& joins) {
    int source = kNoTensor;
    std::vector<int> open = {id};
    std::map<int, bool> seen;
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      const int made_by = editor_.producer(at);
      if (made_by == kNoProducer) return kNoTensor;
      if (!seen.emplace(made_by, true).second) continue;
      const Operator& op = editor_.op(made_by);
      if (op.op == Op::DEQUANTIZE) {
        const int found = quantized_source(editor_, at, false);
        if (found == kNoTensor || editor_.tensor(found).type != Type::INT8) return kNoTensor;
        if (source != kNoTensor && found != source) return kNoTensor;
        source = found;
        continue;
      }
      const auto inputs = computed_inputs(editor_, op);
      if (!inputs || inputs->empty() || inputs->size() > 2 || op.outputs.size() != 1) return kNoTensor;
      if (editor_.tensor(op.outputs[0]).shape != editor_.tensor(id).shape || seen.size() > kMostOperators) {
        return kNoTensor;
      }
      joins = joins || inputs->size() == 2;
      for (const size_t slot : *inputs) open.push_back(op.inputs[slot]);
    }
    return source;
  }

  // max(x, 0) + log(1 + exp(-|x|)), as the lowering writes log(1 + exp(x)) against overflow: the value x, or kNoTensor.
  int softplus_argument(int join) const {
    const Operator& add = editor_.op(join);
    if (add.op != Op::ADD || std::get<ArithmeticOptions>(add.options).activation != Activation::NONE) return kNoTensor;
    for (const size_t slot : {size_t{0}, size_t{1}}) {
      const int relu = editor_.producer_of_kind(add.inputs[slot], Op::RELU);
      const int log = editor_.producer_of_kind(add.inputs[1 - slot], Op::LOG);
      if (relu == kNoProducer || log == kNoProducer) continue;
      const int plus = editor_.producer_of_kind(editor_.op(log).inputs[0], Op::ADD);
      if (plus == kNoProducer) continue;
      const auto inputs = computed_inputs(editor_, editor_.op(plus));
      if (!inputs || inputs->size() != 1) continue;
      const Tensor& one = editor_.tensor(editor_.op(plus).inputs[1 - (*inputs)[0]]);
      if (one.buffer.as<float>()[0] != 1) continue;
      const int exp = editor_.producer_of_kind(editor_.op(plus).inputs[(*inputs)[0]], Op::EXP);
      const int neg = exp == kNoProducer ? exp : editor_.producer_of_kind(editor_.op(exp).inputs[0], Op::NEG);
      const int abs = neg == kNoProducer ? neg : editor_.producer_of_kind(editor_.op(neg).inputs[0], Op::ABS);
      const int x = editor_.op(relu).inputs[0];
      if (abs != kNoProducer && editor_.op(abs).inputs[0] == x) return x;
    }
    return kNoTensor;
  }

  // How `id` is computed from the source; nullopt when an operator is none of those that can be.
  std::optional<Plan> plan(int id, const Values& source) {
    const int made_by = editor_.producer(id);
    const Operator& op = editor_.op(made_by);
    if (op.op == Op::DEQUANTIZE) {
      Plan result;
      result.exact = source;
      return result;
    }
    const auto inputs = computed_inputs(editor_, op);
    if (inputs->size() == 1) {
      auto result = plan(op.inputs[(*inputs)[0]], source);
      if (!result) return result;
      const auto values = apply_scalar(editor_, op, (*inputs)[0], result->exact);
      if (!values) return std::nullopt;
      result->exact = *values;
      result->chain.push_back(made_by);
      return result;
    }
    if (const int x = softplus_argument(made_by); x != kNoTensor) {
      auto result = plan(x, source);
      const auto small = [](double value) { return std::abs(value) < kExponentLimit; };
      const bool chain = result && result->join < 0 && !result->softplus;
      if (chain && std::all_of(result->exact.begin(), result->exact.end(), small)) {
        for (double& value : result->exact) value = std::log1p(std::exp(value));
        result->softplus = true;
        result->chain.push_back(made_by);
        return result;
      }
    }
    Plan result;
    for (const size_t slot : *inputs) {
      auto part = plan(op.inputs[slot], source);
      if (!part) return std::nullopt;
      result.parts.push_back(std::move(*part));
    }
    const auto values = apply_join(op, result.parts[0].exact, result.parts[1].exact);
    if (!values) return std::nullopt;
    result.join = made_by;
    result.exact = *values;
    return result;
  }

  // What INT8 kernels compute for the plan, and the scale of the result; nullopt when a kernel takes no such scales.
  std::optional<Values> simulate(const Plan& at, const Values& source, const Quantization& result) const {
    if (at.join < 0) return quantized(at.exact, result);
    const Quantization joined = at.chain.empty() ? result : quantization_for(joined_values(at));
    std::vector<Values> parts;
    std::vector<double> scales;
    for (const Plan& part : at.parts) {
      const Quantization q = quantization_of(part);
      const bool is_source = part.chain.empty() && part.join < 0;
      const auto values = is_source ? source : simulate(part, source, q);
      if (!values) return std::nullopt;
      parts.push_back(*values);
      scales.push_back(is_source ? source_quantization_.scale[0] : q.scale[0]);
    }
    if (!scales_fit(editor_.op(at.join).op, scales[0], scales[1], joined.scale[0])) return std::nullopt;
    Values values = quantized(*apply_join(editor_.op(at.join), parts[0], parts[1]), joined);
    if (at.chain.empty()) return values;
    for (const int o : at.chain) {
      values = *apply_scalar(editor_, editor_.op(o), (*computed_inputs(editor_, editor_.op(o)))[0], values);
    }
    return quantized(values, result);
  }

  Values joined_values(const Plan& at) const {
    return *apply_join(editor_.op(at.join), at.parts[0].exact, at.parts[1].exact);
  }

  // The operator alone whose INT8 kernel has a scale of its own: LOGISTIC and TANH.
  bool has_fixed_scale(const Plan& part) const {
    if (part.join >= 0 || part.softplus || part.chain.size() != 1) return false;
    const Op op = editor_.op(part.chain[0]).op;
    return op == Op::LOGISTIC || op == Op::TANH;
  }

  Quantization quantization_of(const Plan& part) const {
    if (!has_fixed_scale(part)) return quantization_for(part.exact);
    const FixedScale fixed = fixed_output_scale(editor_.op(part.chain[0]).op);
    return {{fixed.scale}, {fixed.zero_point}, 0};
  }

  int add(Op kind, std::vector<int> inputs, Options options, Tensor output) {
    Operator op;
    op.op = kind;
    op.inputs = std::move(inputs);
    op.options = std::move(options);
    op.outputs = {editor_.add_tensor(std::move(output))};
    const int result = op.outputs[0];
    editor_.add_operator(std::move(op));
    return result;
  }

  Tensor real_like(int id, const std::string& name) const {
    Tensor tensor = editor_.tensor(id);
    tensor.name = name;
    tensor.type = Type::FLOAT32;
    tensor.quantization = {};
    return tensor;
  }

  Tensor integer_like(int id, const std::string& name, const Quantization& q) const {
    Tensor tensor = editor_.tensor(id);
    tensor.name = name;
    tensor.type = Type::INT8;
    tensor.quantization = q;
    return tensor;
  }

  // Emits the plan; the INT8 tensor that it ends in.
  int emit(const Plan& at, int source, const Quantization& result) {
    int from = source;
    if (at.join >= 0) {
      std::vector<int> operands;
      for (const Plan& part : at.parts) {
        const bool is_source = part.chain.empty() && part.join < 0;
        operands.push_back(is_source ? source : emit(part, source, quantization_of(part)));
      }
      const Operator join = editor_.op(at.join);
      const Quantization q = at.chain.empty() ? result : quantization_for(joined_values(at));
      const std::string name = editor_.tensor(join.outputs[0]).name + "_int8";
      from = add(join.op, std::move(operands), join.options, integer_like(source, name, q));
    }
    if (at.chain.empty()) return from;
    const std::string name = editor_.tensor(editor_.op(at.chain.back()).outputs[0]).name + "_int8";
    if (at.join < 0 && has_fixed_scale(at)) {
      const Operator op = editor_.op(at.chain[0]);
      return add(op.op, {from}, op.options, integer_like(source, name, result));
    }
    int value = add(Op::DEQUANTIZE, {from}, {}, real_like(from, name + "_real"));
    for (size_t i = 0; i < at.chain.size(); ++i) {
      const Operator op = editor_.op(at.chain[i]);
      const Tensor like = real_like(source, editor_.tensor(op.outputs[0]).name + "_table");
      if (at.softplus && computed_inputs(editor_, op)->size() == 2) {
        Tensor one;
        one.name = "one";
        one.buffer = Buffer::of(std::vector<float>{1.0F});
        value = add(Op::EXP, {value}, {}, like);
        value = add(Op::ADD, {value, editor_.add_tensor(std::move(one))}, ArithmeticOptions{}, like);
        value = add(Op::LOG, {value}, {}, like);
        continue;
      }
      std::vector<int> inputs = op.inputs;
      inputs[(*computed_inputs(editor_, op))[0]] = value;
      value = add(op.op, std::move(inputs), op.options, like);
    }
    return add(Op::QUANTIZE, {value}, {}, integer_like(source, name, result));
  }

  bool rewrite(int o) {
    const int out = editor_.op(o).outputs[0];
    const Quantization result = editor_.tensor(out).quantization;
    if (editor_.tensor(out).type != Type::INT8 || result.scale.size() != 1) return false;
    bool joins = false;
    const int source = source_of(editor_.op(o).inputs[0], joins);
    if (source == kNoTensor || !joins || editor_.tensor(source).type != Type::INT8) return false;
    if (editor_.tensor(source).shape != editor_.tensor(out).shape) return false;
    source_quantization_ = editor_.tensor(source).quantization;
    Values values;
    for (int q = -128; q < 128; ++q) {
      values.push_back((q - static_cast<double>(source_quantization_.zero_point[0])) * source_quantization_.scale[0]);
    }
    const auto best = plan(editor_.op(o).inputs[0], values);
    if (!best) return false;
    const auto actual = simulate(*best, values, result);
    if (!actual) return false;
    const Values expected = quantized(best->exact, result);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!(std::abs(expected[i] - (*actual)[i]) <= kTolerance * result.scale[0])) return false;
    }
    const int made = emit(*best, source, result);
    editor_.tensor(made).name = editor_.tensor(out).name;
    editor_.remove(o);
    editor_.replace_uses(out, made);
    return true;
  }

  Editor editor_;
  Quantization source_quantization_;
};

}  // namespace

int write_tables(Subgraph& subgraph, const FormPolicy& policy) {
  return policy.uses(Form::kTables, true) ? TableWriter(subgraph).run() : 0;
}

}  // namespace tinyml::tflite
