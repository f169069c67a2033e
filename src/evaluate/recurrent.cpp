// LSTM, GRU and simple recurrent layers over whole sequences, and single steps of them.
#include <cmath>

#include "evaluate/matrix_multiply.h"
#include "evaluate/registry.h"
#include "evaluate/scalar_math.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

enum class Cell { kLstm, kGru, kTanh, kRelu };

int64_t gate_count(Cell cell) { return cell == Cell::kLstm ? 4 : (cell == Cell::kGru ? 3 : 1); }

/// One step of one sequence. `x` and `h`: what the input and the previous state contribute to the gates; `hidden` and
/// `memory` (LSTM) are updated. Without a projection `hidden` is the state; of an LSTM it is only written.
template <typename T>
void step(Cell cell, const T* x, const T* h, T* hidden, T* memory, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    const auto gate = [&](int64_t index) { return x[index * size + i] + h[index * size + i]; };
    switch (cell) {
      case Cell::kLstm:
        memory[i] = logistic(gate(1)) * memory[i] + logistic(gate(0)) * std::tanh(gate(2));
        hidden[i] = logistic(gate(3)) * std::tanh(memory[i]);
        break;
      case Cell::kGru: {
        const T update = logistic(gate(1));
        const T candidate = std::tanh(x[2 * size + i] + logistic(gate(0)) * h[2 * size + i]);
        hidden[i] = (1 - update) * candidate + update * hidden[i];
        break;
      }
      case Cell::kTanh:
        hidden[i] = std::tanh(gate(0));
        break;
      case Cell::kRelu:
        hidden[i] = std::max(gate(0), T{0});
        break;
    }
  }
}

struct Weights {
  Tensor input;
  Tensor hidden;
  Tensor input_bias;  ///< Undefined without biases.
  Tensor hidden_bias;
  Tensor projection;  ///< [P, H], undefined without one: the state is then the hidden vector.
};

Weights weights_of(const std::vector<Tensor>& params, size_t first, bool biased, bool projected, ScalarType type) {
  Weights weights{params[first].to(type), params[first + 1].to(type), {}, {}, {}};
  if (biased) {
    weights.input_bias = params[first + 2].to(type);
    weights.hidden_bias = params[first + 3].to(type);
  }
  if (projected) weights.projection = params[first + (biased ? 4 : 2)].to(type);
  return weights;
}

/// One direction of one layer: sequence [T, N, I] -> [T, N, P]; `state` [N, P] and `memory` [N, H] become the last
/// ones.
template <typename T>
Tensor run_direction(Cell cell, const Tensor& sequence, const Weights& weights, Tensor& state, Tensor& memory,
                     bool backward) {
  const int64_t steps = sequence.size(0);
  const int64_t batch = sequence.size(1);
  const int64_t gates = weights.hidden.size(0);
  const int64_t size = gates / gate_count(cell);
  const int64_t width = weights.hidden.size(1);
  const bool projected = weights.projection.defined();
  if (gates % gate_count(cell) != 0 || (!projected && size != width)) {
    throw Error("the weights do not fit this kind of layer");
  }
  const Tensor from_input = linear(sequence, weights.input, weights.input_bias);
  Tensor result(scalar_type_of<T>(), {steps, batch, width});
  T* out = result.mutable_data<T>();
  Tensor hidden(scalar_type_of<T>(), {batch, size});
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t at = backward ? steps - 1 - i : i;
    const Tensor from_state = linear(state, weights.hidden, weights.hidden_bias);
    T* values = projected ? hidden.mutable_data<T>() : state.mutable_data<T>();
    T* cells = memory.mutable_data<T>();
    for (int64_t n = 0; n < batch; ++n) {
      step(cell, from_input.data<T>().data() + (at * batch + n) * gates, from_state.data<T>().data() + n * gates,
           values + n * size, cells + n * size, size);
    }
    if (projected) state = linear(hidden, weights.projection, {}).contiguous();
    const T* now = state.data<T>().data();
    std::copy(now, now + batch * width, out + at * batch * width);
  }
  return result;
}

template <typename T>
std::vector<Tensor> run_layers(const OperatorCall& call, Cell cell) {
  constexpr ScalarType kCompute = scalar_type_of<T>();
  const Tensor input = call.tensor("input");
  const bool batched = input.rank() == 3;
  const bool batch_first = call.boolean("batch_first") && batched;
  Tensor sequence = input.to(kCompute);
  if (!batched) sequence = unsqueeze(sequence, 1);
  if (batch_first) sequence = transpose(sequence, 0, 1);
  const std::vector<Tensor> initial =
      cell == Cell::kLstm ? call.tensors("hx") : std::vector<Tensor>{call.tensor("hx"), call.tensor("hx")};
  const std::vector<Tensor> params = call.tensors("params");
  const int64_t directions = call.boolean("bidirectional") ? 2 : 1;
  const int64_t layers = call.integer("num_layers");
  const bool biased = call.boolean("has_biases");
  const size_t per_direction = params.size() / static_cast<size_t>(layers * directions);
  const size_t plain = biased ? 4 : 2;
  const bool projected = cell == Cell::kLstm && per_direction == plain + 1;
  if (initial.size() != 2 || params.size() != static_cast<size_t>(layers * directions) * per_direction ||
      (per_direction != plain && !projected)) {
    throw Error("this number of weights or states does not fit the layer");
  }
  std::vector<Tensor> last_hidden;
  std::vector<Tensor> last_memory;
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::vector<Tensor> outputs;
    for (int64_t direction = 0; direction < directions; ++direction) {
      const int64_t index = layer * directions + direction;
      const size_t first = static_cast<size_t>(index) * per_direction;
      const Weights weights = weights_of(params, first, biased, projected, kCompute);
      const auto state = [&](const Tensor& tensor) {
        const Tensor chosen = select(tensor.to(kCompute), 0, index).contiguous();
        return batched ? chosen : unsqueeze(chosen, 0).contiguous();
      };
      Tensor hidden = state(initial[0]);
      Tensor memory = state(initial[1]);
      outputs.push_back(run_direction<T>(cell, sequence.contiguous(), weights, hidden, memory, direction == 1));
      last_hidden.push_back(unsqueeze(hidden, 0));
      last_memory.push_back(unsqueeze(memory, 0));
    }
    sequence = concatenate(outputs, 2);
  }
  if (batch_first) sequence = transpose(sequence, 0, 1);
  std::vector<Tensor> results{sequence, concatenate(last_hidden, 0)};
  if (cell == Cell::kLstm) results.push_back(concatenate(last_memory, 0));
  for (Tensor& result : results) {
    if (!batched) result = select(result, 1, 0);
    result = result.to(input.type());
  }
  return results;
}

template <Cell kCell>
std::vector<Tensor> recurrent(const OperatorCall& call) {
  return dispatch_floating(call.tensor("input").type(),
                           [&](auto zero) { return run_layers<decltype(zero)>(call, kCell); });
}

/// One step: input [N, I] or [I] -> the new state and, of an LSTM, the new cell state.
template <typename T>
std::vector<Tensor> run_cell(const OperatorCall& call, Cell cell) {
  constexpr ScalarType kCompute = scalar_type_of<T>();
  const Tensor input = call.tensor("input");
  const bool batched = input.rank() == 2;
  const auto as_batch = [&](const Tensor& tensor) {
    const Tensor values = tensor.to(kCompute);
    return (batched ? values : unsqueeze(values, 0)).contiguous();
  };
  const std::vector<Tensor> initial =
      cell == Cell::kLstm ? call.tensors("hx") : std::vector<Tensor>{call.tensor("hx"), call.tensor("hx")};
  const bool biased = !call.is_none("b_ih");
  std::vector<Tensor> params{call.tensor("w_ih"), call.tensor("w_hh")};
  if (biased) params.insert(params.end(), {call.tensor("b_ih"), call.tensor("b_hh")});
  Tensor state = as_batch(initial[0]), memory = as_batch(initial[1]);
  const Weights weights = weights_of(params, 0, biased, false, kCompute);
  run_direction<T>(cell, unsqueeze(as_batch(input), 0), weights, state, memory, false);
  std::vector<Tensor> results{state};
  if (cell == Cell::kLstm) results.push_back(memory);
  for (Tensor& result : results) result = (batched ? result : select(result, 0, 0)).to(input.type());
  return results;
}

template <Cell kCell>
std::vector<Tensor> recurrent_cell(const OperatorCall& call) {
  return dispatch_floating(call.tensor("input").type(),
                           [&](auto zero) { return run_cell<decltype(zero)>(call, kCell); });
}

constexpr OperatorEntry kOperators[] = {
    {"aten.lstm_cell.default", recurrent_cell<Cell::kLstm>},
    {"aten.gru_cell.default", recurrent_cell<Cell::kGru>},
    {"aten.rnn_tanh_cell.default", recurrent_cell<Cell::kTanh>},
    {"aten.rnn_relu_cell.default", recurrent_cell<Cell::kRelu>},
    {"aten.lstm.input", recurrent<Cell::kLstm>},
    {"aten.gru.input", recurrent<Cell::kGru>},
    {"aten.rnn_tanh.input", recurrent<Cell::kTanh>},
    {"aten.rnn_relu.input", recurrent<Cell::kRelu>},
};

}  // namespace

std::span<const OperatorEntry> recurrent_operators() { return kOperators; }

}  // namespace tinyml::evaluation
