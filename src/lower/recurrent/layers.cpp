// lstm, gru, rnn_tanh, rnn_relu: layers and directions, each in the form that the options ask for.
#include <fmt/format.h>

#include <algorithm>

#include "lower/recurrent/arguments.h"
#include "lower/recurrent/chain.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

ChainResult run_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial) {
  switch (at.options().recurrent) {
    case RecurrentForm::kFused:
      return fuse_chain(at, chain, x, initial);
    case RecurrentForm::kWhile:
      return loop_chain(at, chain, x, initial);
    default:
      return unroll_chain(at, chain, x, initial);
  }
}

// A state as the model gives it, [layers * directions, N, width]: one of them with one step on the time axis.
TensorId initial_state(Lowering& at, const StateArgument& state, int64_t index, int64_t time_axis) {
  if (state.is_zero) return tflite::kNoTensor;
  Sizes begin(3, 0);
  Sizes size = at.shape(state.tensor);
  begin[0] = index;
  size[0] = 1;
  const TensorId one = at.slice(state.tensor, begin, size);
  return time_axis == 0 ? one : at.transpose(one, {1, 0, 2});
}

TensorId final_states(Lowering& at, const std::vector<TensorId>& states, int64_t time_axis, const Sizes& shape) {
  std::vector<TensorId> parts = states;
  if (time_axis == 1) {
    for (TensorId& part : parts) part = at.transpose(part, {1, 0, 2});
  }
  return at.reshape(concatenate_many(at, std::move(parts), 0), shape);
}

void lower_layers(Lowering& at, Cell cell) {
  LayerArguments arguments = read_layer_arguments(at, cell);
  TensorId x = arguments.input;
  std::vector<TensorId> hidden;
  std::vector<TensorId> memory;
  for (int64_t layer = 0; layer < arguments.layers; ++layer) {
    std::vector<TensorId> sequences;
    for (int64_t direction = 0; direction < arguments.directions; ++direction) {
      const int64_t index = layer * arguments.directions + direction;
      Chain chain{cell, arguments.weights[static_cast<size_t>(index)], arguments.time_axis, direction == 1};
      State initial;
      initial.hidden = initial_state(at, arguments.hidden, index, arguments.time_axis);
      if (cell == Cell::kLstm) initial.memory = initial_state(at, arguments.memory, index, arguments.time_axis);
      const ChainResult result = run_chain(at, chain, x, initial);
      sequences.push_back(result.sequence);
      hidden.push_back(result.last.hidden);
      memory.push_back(result.last.memory);
    }
    x = at.concatenate(sequences, 2);
  }
  at.set_output(0, at.reshape(x, at.output_sizes(0)));
  if (at.wants_output(1)) at.set_output(1, final_states(at, hidden, arguments.time_axis, at.output_sizes(1)));
  if (cell == Cell::kLstm && at.wants_output(2)) {
    at.set_output(2, final_states(at, memory, arguments.time_axis, at.output_sizes(2)));
  }
}

// lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell: one step of a chain, [N, I] or [I].
void lower_cell(Lowering& at, Cell cell) {
  const DirectionWeights weights = read_cell_weights(at);
  const TensorId given = at.input("input", Type::FLOAT32);
  const bool batched = at.rank(given) == 2;
  const auto as_rows = [&](TensorId x) { return batched ? x : at.reshape(x, {1, at.shape(x)[0]}); };
  const TensorId x = as_rows(given);
  State state;
  if (cell == Cell::kLstm) {
    const std::vector<TensorId> states = at.inputs("hx");
    state = {as_rows(at.cast(states.at(0), Type::FLOAT32)), as_rows(at.cast(states.at(1), Type::FLOAT32))};
  } else {
    state.hidden = as_rows(at.input("hx", Type::FLOAT32));
  }
  const State after = CellStep(at, cell, weights).advance(project_input(at, cell, weights, x), state);
  at.set_output(0, at.reshape(after.hidden, at.output_sizes(0)));
  if (cell == Cell::kLstm) at.set_output(1, at.reshape(after.memory, at.output_sizes(1)));
}

void refuse_packed(Lowering& at) {
  at.refuse("a packed sequence (pack_padded_sequence): TFLite has no sequences of varying length",
            "pass the padded tensor itself to the layer, one sequence at a time where lengths differ");
}

}  // namespace

void register_recurrent(Registry& registry) {
  registry.add({"lstm.input"}, [](Lowering& at) { lower_layers(at, Cell::kLstm); });
  registry.add({"gru.input"}, [](Lowering& at) { lower_layers(at, Cell::kGru); });
  registry.add({"rnn_tanh.input"}, [](Lowering& at) { lower_layers(at, Cell::kTanh); });
  registry.add({"rnn_relu.input"}, [](Lowering& at) { lower_layers(at, Cell::kRelu); });
  registry.add({"lstm_cell.default"}, [](Lowering& at) { lower_cell(at, Cell::kLstm); });
  registry.add({"gru_cell.default"}, [](Lowering& at) { lower_cell(at, Cell::kGru); });
  registry.add({"rnn_tanh_cell.default"}, [](Lowering& at) { lower_cell(at, Cell::kTanh); });
  registry.add({"rnn_relu_cell.default"}, [](Lowering& at) { lower_cell(at, Cell::kRelu); });
  registry.add({"lstm.data", "gru.data", "rnn_tanh.data", "rnn_relu.data"}, refuse_packed);
}

}  // namespace tinyml::lowering
