// The cells of torch.nn.LSTM, GRU and RNN: one step, and what is computed for all steps at once.
#pragma once

#include <string>
#include <vector>

#include "lower/lowering.h"

namespace tinyml::lowering {

enum class Cell { kLstm, kGru, kTanh, kRelu };

int64_t gate_count(Cell cell);

/// A weight or a bias: a constant, or what the model computes.
struct CellWeight {
  Tensor data;  ///< Float32; undefined when it is computed or the layer has none.
  std::string name;
  TensorId computed = tflite::kNoTensor;  ///< Float32.
  Sizes shape;

  bool exists() const { return data.defined() || computed != tflite::kNoTensor; }
};

/// One direction of one layer, rows in PyTorch's gate order: LSTM i, f, g, o; GRU r, z, n.
struct DirectionWeights {
  CellWeight input;        ///< [gates * H, I]
  CellWeight hidden;       ///< [gates * H, P], where P is H without a projection.
  CellWeight input_bias;   ///< [gates * H]
  CellWeight hidden_bias;  ///< [gates * H]
  CellWeight projection;   ///< [P, H], LSTM only.

  bool are_computed() const;  ///< Some of them.
};

/// Between two steps; kNoTensor: zeros.
struct State {
  TensorId hidden = tflite::kNoTensor;  ///< h, last dimension P.
  TensorId memory = tflite::kNoTensor;  ///< c of an LSTM, last dimension H.
};

/// What the input contributes to the gates of every step, by one FULLY_CONNECTED over all of them (two for a GRU: its
/// gates r and z, and its candidate n). `x`: [..., I]; the results: [..., rows].
std::vector<TensorId> project_input(Lowering& at, Cell cell, const DirectionWeights& weights, TensorId x);

/// The recurrent half of a cell. Its constants are those of the subgraph it is made in; all steps share them.
class CellStep {
 public:
  CellStep(Lowering& at, Cell cell, const DirectionWeights& weights);

  /// One step. `projected`: one step of what project_input returns; all tensors have the same leading dimensions.
  State advance(const std::vector<TensorId>& projected, const State& before);

 private:
  State advance_lstm(TensorId projected, const State& before);
  State advance_gru(TensorId gates, TensorId candidate, const State& before);
  std::vector<TensorId> split_last(TensorId x, int64_t parts);
  TensorId last(TensorId x, int64_t begin, int64_t count);  ///< A range of the last dimension.

  Lowering& at_;
  Cell cell_;
  int64_t size_;  ///< H.
  TensorId weights_ = tflite::kNoTensor, bias_ = tflite::kNoTensor;
  TensorId candidate_weights_ = tflite::kNoTensor, candidate_bias_ = tflite::kNoTensor;  ///< GRU.
  TensorId projection_ = tflite::kNoTensor;
};

/// CONCATENATION as a tree of at most five operands each, which is what XNNPACK takes (and tflite-micro up to ten).
TensorId concatenate_many(Lowering& at, std::vector<TensorId> parts, int64_t axis);

}  // namespace tinyml::lowering
