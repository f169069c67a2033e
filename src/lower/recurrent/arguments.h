#pragma once

#include <vector>

#include "lower/recurrent/cell.h"

namespace tinyml::lowering {

/// An initial state [layers * directions, N, width]; `tensor` is kNoTensor when it is all zeros.
struct StateArgument {
  TensorId tensor = tflite::kNoTensor;
  bool is_zero = false;
};

/// The arguments of lstm.input, gru.input, rnn_tanh.input and rnn_relu.input.
struct LayerArguments {
  TensorId input = tflite::kNoTensor;  ///< [T, N, I] or [N, T, I].
  int64_t time_axis = 0;
  int64_t layers = 1, directions = 1;
  std::vector<DirectionWeights> weights;  ///< Of layer l and direction d at l * directions + d.
  StateArgument hidden, memory;
};

/// Refuses training.
LayerArguments read_layer_arguments(Lowering& at, Cell cell);

/// w_ih, w_hh, b_ih and b_hh of a cell operator.
DirectionWeights read_cell_weights(Lowering& at);

}  // namespace tinyml::lowering
