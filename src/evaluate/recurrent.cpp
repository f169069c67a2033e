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

/// All layers and directions of a call, over sequences [T, N, I].
struct Layers {
  Layers(const OperatorCall& call, Cell cell);

  Cell cell;
  std::vector<Tensor> initial;  ///< Hidden and cell state, [layers * directions, N, ...]; twice the same but for LSTM.
  std::vector<Tensor> params;
  int64_t layers;
  int64_t directions;
  bool biased;
  bool projected;
  size_t per_direction;
};

Layers::Layers(const OperatorCall& call, Cell kind)
    : cell(kind),
      initial(kind == Cell::kLstm ? call.tensors("hx") : std::vector<Tensor>{call.tensor("hx"), call.tensor("hx")}),
      params(call.tensors("params")),
      layers(call.integer("num_layers")),
      directions(call.boolean("bidirectional") ? 2 : 1),
      biased(call.boolean("has_biases")) {
  if (layers <= 0) throw Error("at least one layer is expected");
  per_direction = params.size() / static_cast<size_t>(layers * directions);
  const size_t plain = biased ? 4 : 2;
  projected = cell == Cell::kLstm && per_direction == plain + 1;
  if (initial.size() != 2 || params.size() != static_cast<size_t>(layers * directions) * per_direction ||
      (per_direction != plain && !projected)) {
    throw Error("this number of weights or states does not fit the layer");
  }
}

/// The output [T, N, directions * P] and the last states, one or (LSTM) two.
template <typename T>
std::vector<Tensor> run_layers(const Layers& call, Tensor sequence, const std::vector<Tensor>& initial) {
  constexpr ScalarType kCompute = scalar_type_of<T>();
  std::vector<Tensor> last_hidden;
  std::vector<Tensor> last_memory;
  for (int64_t layer = 0; layer < call.layers; ++layer) {
    std::vector<Tensor> outputs;
    for (int64_t direction = 0; direction < call.directions; ++direction) {
      const int64_t index = layer * call.directions + direction;
      const size_t first = static_cast<size_t>(index) * call.per_direction;
      const Weights weights = weights_of(call.params, first, call.biased, call.projected, kCompute);
      Tensor hidden = select(initial[0].to(kCompute), 0, index).contiguous();
      Tensor memory = select(initial[1].to(kCompute), 0, index).contiguous();
      outputs.push_back(run_direction<T>(call.cell, sequence.contiguous(), weights, hidden, memory, direction == 1));
      last_hidden.push_back(unsqueeze(hidden, 0));
      last_memory.push_back(unsqueeze(memory, 0));
    }
    sequence = concatenate(outputs, 2);
  }
  std::vector<Tensor> results{sequence, concatenate(last_hidden, 0)};
  if (call.cell == Cell::kLstm) results.push_back(concatenate(last_memory, 0));
  return results;
}

/// Input [T, N, I], [N, T, I] or [T, I].
template <typename T>
std::vector<Tensor> run_batch(const OperatorCall& call, Cell cell) {
  const Tensor input = call.tensor("input");
  const bool batched = input.rank() == 3;
  const bool batch_first = call.boolean("batch_first") && batched;
  Tensor sequence = input.to(scalar_type_of<T>());
  if (!batched) sequence = unsqueeze(sequence, 1);
  if (batch_first) sequence = transpose(sequence, 0, 1);
  const Layers layers(call, cell);
  std::vector<Tensor> initial = layers.initial;
  for (Tensor& state : initial) state = batched ? state : unsqueeze(state, 1);
  std::vector<Tensor> results = run_layers<T>(layers, sequence, initial);
  if (batch_first) results[0] = transpose(results[0], 0, 1);
  for (Tensor& result : results) {
    if (!batched) result = select(result, 1, 0);
    result = result.to(input.type());
  }
  return results;
}

/// Packed sequences: row batch_sizes[0] + ... + batch_sizes[t - 1] + n of `data` is step t of sequence n, which are
/// sorted by falling length. Each sequence runs alone.
template <typename T>
std::vector<Tensor> run_packed(const OperatorCall& call, Cell cell) {
  const Tensor data = call.tensor("data");
  const Tensor counts = call.tensor("batch_sizes").to(ScalarType::kInt64).contiguous();
  const auto sizes = counts.data<int64_t>();
  const Layers layers(call, cell);
  if (sizes.empty() || data.rank() != 2) throw Error("the packed sequences are empty");
  std::vector<Tensor> outputs;  // of one sequence after the other
  std::vector<std::vector<Tensor>> states(cell == Cell::kLstm ? 2 : 1);
  Sizes places(static_cast<size_t>(data.size(0)), -1);
  int64_t done = 0;
  for (int64_t n = 0; n < sizes[0]; ++n) {
    Sizes rows;
    int64_t start = 0;
    for (size_t t = 0; t < sizes.size() && sizes[t] > n; start += sizes[t++]) {
      if (start + sizes[t] > data.size(0) || (t > 0 && sizes[t] > sizes[t - 1])) {
        throw Error("batch_sizes does not fit the packed sequences");
      }
      rows.push_back(start + n);
      places[static_cast<size_t>(start + n)] = done++;
    }
    std::vector<Tensor> initial;
    for (const Tensor& state : layers.initial) initial.push_back(slice(state, 1, n, n + 1, 1));
    const Tensor sequence = unsqueeze(data.to(scalar_type_of<T>()).index_select(0, rows), 1);
    const std::vector<Tensor> results = run_layers<T>(layers, sequence, initial);
    outputs.push_back(select(results[0], 1, 0));
    for (size_t i = 0; i < states.size(); ++i) states[i].push_back(results[i + 1]);
  }
  if (done != data.size(0)) throw Error("batch_sizes does not fit the packed sequences");
  std::vector<Tensor> results{concatenate(outputs, 0).index_select(0, places)};
  for (const std::vector<Tensor>& state : states) results.push_back(concatenate(state, 1));
  for (Tensor& result : results) result = result.to(data.type());
  return results;
}

template <Cell kCell>
std::vector<Tensor> packed(const OperatorCall& call) {
  return dispatch_floating(call.tensor("data").type(),
                           [&](auto zero) { return run_packed<decltype(zero)>(call, kCell); });
}

template <Cell kCell>
std::vector<Tensor> recurrent(const OperatorCall& call) {
  return dispatch_floating(call.tensor("input").type(),
                           [&](auto zero) { return run_batch<decltype(zero)>(call, kCell); });
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
    {"aten.lstm.data", packed<Cell::kLstm>},
    {"aten.gru.data", packed<Cell::kGru>},
    {"aten.rnn_tanh.data", packed<Cell::kTanh>},
    {"aten.rnn_relu.data", packed<Cell::kRelu>},
};

}  // namespace

std::span<const OperatorEntry> recurrent_operators() { return kOperators; }

}  // namespace tinyml::evaluation
