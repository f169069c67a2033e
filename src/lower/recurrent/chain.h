// One direction of one recurrent layer over a whole sequence, in each of the forms that LowerOptions names.
#pragma once

#include "lower/recurrent/cell.h"

namespace tinyml::lowering {

struct Chain {
  Cell cell = Cell::kLstm;
  DirectionWeights weights;
  int64_t time_axis = 0;  ///< 0: [T, N, ...]; 1: [N, T, ...]. States have one step on this axis.
  bool backward = false;
};

struct ChainResult {
  TensorId sequence = tflite::kNoTensor;  ///< h of every step, in the order of the input's.
  State last;
};

/// Every step written out. Fastest; the file holds the weights once and about twelve operators a step.
ChainResult unroll_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial);

/// A WHILE with one step as its body.
ChainResult loop_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial);

/// UNIDIRECTIONAL_SEQUENCE_LSTM or UNIDIRECTIONAL_SEQUENCE_RNN, between two REVERSE_V2 for a backward chain. Its state
/// is a variable of the interpreter, which the model sets at the start of every run. Refuses a GRU.
ChainResult fuse_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial);

}  // namespace tinyml::lowering
