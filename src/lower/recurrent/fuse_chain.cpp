// State in the fused operators is a variable tensor that lives as long as the interpreter: a second run would start
// from where the first one ended. PyTorch starts from the given state, or zeros, in every call; so the model writes its
// variables itself, by an operator in front whose output is the variable.
#include <array>
#include <numeric>

#include "lower/recurrent/chain.h"

namespace tinyml::lowering {
namespace {

constexpr size_t kLstmInputs = 20;
constexpr size_t kGates = 4;

TensorId rows(Lowering& at, const CellWeight& whole, int64_t part, int64_t size, const std::string& suffix) {
  Sizes indices(static_cast<size_t>(size));
  std::iota(indices.begin(), indices.end(), part * size);
  return at.constant(whole.data.index_select(0, indices), whole.name + suffix);
}

// A variable [N, width] that holds `initial` (one step on the time axis), or zeros, whenever the model starts. A SLICE
// of everything writes it: the runtime lets a RESHAPE or an ADD share memory with its input, which variables must not.
TensorId add_variable(Lowering& at, TensorId initial, const Sizes& shape) {
  if (initial == tflite::kNoTensor) {
    initial = at.emit(Op::FILL, {at.indices(shape), at.scalar(0, Type::FLOAT32)}, Type::FLOAT32, shape);
  }
  initial = at.reshape(initial, shape);
  const TensorId variable = at.add_tensor(Type::FLOAT32, shape);
  at.tensor(variable).is_variable = true;
  at.add_operator(Op::SLICE, {initial, at.indices({0, 0}), at.indices(shape)}, {variable});
  return variable;
}

// What the fused operator leaves in a variable [N, width]. `after`: the last step of its result. The runtime orders
// operators by the tensors they read, and delegates move them; adding a zero made from the result keeps the read behind
// the operator.
TensorId read_variable(Lowering& at, TensorId variable, TensorId after) {
  Sizes first = at.shape(after);
  first.back() = 1;
  const TensorId element = at.reshape(at.slice(after, {0, 0, 0}, first), {at.shape(variable)[0], 1});
  const TensorId zero = at.binary(Op::MUL, element, at.scalar(0, Type::FLOAT32));
  Sizes shape = at.shape(after);
  shape.back() = at.shape(variable).back();
  return at.reshape(at.binary(Op::ADD, variable, zero), shape);
}

TensorId reverse(Lowering& at, TensorId x, const Chain& chain) {
  if (!chain.backward) return x;
  return at.emit(Op::REVERSE_V2, {x, at.indices({chain.time_axis})}, at.type(x), at.shape(x));
}

TensorId step_of(Lowering& at, TensorId sequence, const Chain& chain, int64_t index) {
  Sizes begin(3, 0);
  Sizes size = at.shape(sequence);
  begin[static_cast<size_t>(chain.time_axis)] = index;
  size[static_cast<size_t>(chain.time_axis)] = 1;
  return at.slice(sequence, begin, size);
}

std::vector<TensorId> lstm_inputs(Lowering& at, const Chain& chain, TensorId x) {
  const std::array<std::string, kGates> names = {"_i", "_f", "_g", "_o"};
  const DirectionWeights& weights = chain.weights;
  const int64_t size = weights.hidden.shape[0] / gate_count(chain.cell);
  std::vector<TensorId> inputs(kLstmInputs, tflite::kNoTensor);
  inputs[0] = x;
  for (size_t gate = 0; gate < kGates; ++gate) {
    const auto part = static_cast<int64_t>(gate);
    inputs[1 + gate] = rows(at, weights.input, part, size, names[gate]);
    inputs[5 + gate] = rows(at, weights.hidden, part, size, names[gate]);
    std::vector<float> bias(static_cast<size_t>(size), 0.0F);
    if (weights.input_bias.data.defined()) {
      const auto a = weights.input_bias.data.data<float>();
      const auto b = weights.hidden_bias.data.data<float>();
      for (size_t i = 0; i < bias.size(); ++i) bias[i] = a[gate * bias.size() + i] + b[gate * bias.size() + i];
    }
    inputs[12 + gate] = at.constant(std::move(bias), {size});
  }
  if (weights.projection.data.defined()) inputs[16] = at.constant(weights.projection.data, weights.projection.name);
  return inputs;
}

}  // namespace

ChainResult fuse_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial) {
  const char* remedy = "convert with recurrent='unrolled' (the default) or 'while'";
  if (chain.cell != Cell::kLstm) at.refuse("TFLite has a fused operator for LSTM only", remedy);
  if (chain.weights.are_computed()) {
    at.refuse("the fused operator's weights must be constant, and the model computes them",
              "convert with recurrent='unrolled' (the default)");
  }
  const Sizes shape = at.shape(x);
  const int64_t batch = shape[static_cast<size_t>(1 - chain.time_axis)];
  const int64_t steps = shape[static_cast<size_t>(chain.time_axis)];
  const int64_t hidden_size = chain.weights.hidden.shape[1];
  const int64_t memory_size = chain.weights.hidden.shape[0] / gate_count(chain.cell);
  std::vector<TensorId> inputs = lstm_inputs(at, chain, reverse(at, x, chain));
  inputs[18] = add_variable(at, initial.hidden, {batch, hidden_size});
  inputs[19] = add_variable(at, initial.memory, {batch, memory_size});
  tflite::UnidirectionalSequenceLstmOptions options;
  options.time_major = chain.time_axis == 0;
  Sizes out = shape;
  out.back() = hidden_size;
  const TensorId memory_variable = inputs[19];
  const TensorId sequence = at.emit(Op::UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, Type::FLOAT32, out, options);
  ChainResult result;
  result.last.hidden = step_of(at, sequence, chain, steps - 1);
  result.sequence = reverse(at, sequence, chain);
  result.last.memory = read_variable(at, memory_variable, result.last.hidden);
  return result;
}

}  // namespace tinyml::lowering
