#include "lower/recurrent/cell.h"

#include <algorithm>
#include <numeric>

#include "lower/math/matmul.h"

namespace tinyml::lowering {
namespace {

constexpr size_t kLargestConcatenation = 5;

NamedTensor rows(const NamedTensor& whole, int64_t begin, int64_t count, const char* suffix) {
  if (!whole.data.defined()) return {};
  Sizes indices(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), begin);
  return {whole.data.index_select(0, indices), whole.name + suffix};
}

Tensor sum(const Tensor& a, const Tensor& b) {
  std::vector<float> result(a.data<float>().begin(), a.data<float>().end());
  for (size_t i = 0; i < result.size(); ++i) result[i] += b.data<float>()[i];
  return Tensor::from(result, a.shape());
}

TensorId constant_of(Lowering& at, const NamedTensor& tensor) {
  return tensor.data.defined() ? at.constant(tensor.data, tensor.name) : tflite::kNoTensor;
}

}  // namespace

int64_t gate_count(Cell cell) { return cell == Cell::kLstm ? 4 : (cell == Cell::kGru ? 3 : 1); }

std::vector<TensorId> project_input(Lowering& at, Cell cell, const DirectionWeights& weights, TensorId x) {
  const int64_t size = weights.input.data.size(0) / gate_count(cell);
  const bool biased = weights.input_bias.data.defined();
  const auto project = [&](const NamedTensor& matrix, const NamedTensor& bias) {
    return fully_connected(at, x, constant_of(at, matrix), constant_of(at, bias));
  };
  if (cell != Cell::kGru) {  // Both biases are added to every step alike.
    NamedTensor bias;
    if (biased) bias = {sum(weights.input_bias.data, weights.hidden_bias.data), weights.input_bias.name};
    return {project(weights.input, bias)};
  }
  NamedTensor gate_bias = rows(weights.input_bias, 0, 2 * size, "_rz");
  if (biased) gate_bias.data = sum(gate_bias.data, rows(weights.hidden_bias, 0, 2 * size, "").data);
  return {project(rows(weights.input, 0, 2 * size, "_rz"), gate_bias),
          project(rows(weights.input, 2 * size, size, "_n"), rows(weights.input_bias, 2 * size, size, "_n"))};
}

CellStep::CellStep(Lowering& at, Cell cell, const DirectionWeights& weights)
    : at_(at), cell_(cell), size_(weights.hidden.data.size(0) / gate_count(cell)) {
  const auto zeros = [&](int64_t count) {
    return at.constant(std::vector<float>(static_cast<size_t>(count)), {count});
  };
  if (cell == Cell::kGru) {
    weights_ = constant_of(at, rows(weights.hidden, 0, 2 * size_, "_rz"));
    candidate_weights_ = constant_of(at, rows(weights.hidden, 2 * size_, size_, "_n"));
    bias_ = zeros(2 * size_);
    candidate_bias_ = weights.hidden_bias.data.defined()
                          ? constant_of(at, rows(weights.hidden_bias, 2 * size_, size_, "_n"))
                          : zeros(size_);
  } else {
    weights_ = constant_of(at, weights.hidden);
    bias_ = zeros(gate_count(cell) * size_);
  }
  projection_ = constant_of(at, weights.projection);
}

State CellStep::advance(const std::vector<TensorId>& projected, const State& before) {
  if (cell_ == Cell::kLstm) return advance_lstm(projected[0], before);
  if (cell_ == Cell::kGru) return advance_gru(projected[0], projected[1], before);
  TensorId sum = projected[0];
  if (before.hidden != tflite::kNoTensor) {
    sum = at_.binary(Op::ADD, sum, fully_connected(at_, before.hidden, weights_, bias_));
  }
  return {at_.unary(cell_ == Cell::kTanh ? Op::TANH : Op::RELU, sum), tflite::kNoTensor};
}

// LOGISTIC of all four gates at once, though g wants a TANH: cheaper than three operators for three gates.
State CellStep::advance_lstm(TensorId projected, const State& before) {
  TensorId gates = projected;
  if (before.hidden != tflite::kNoTensor) {
    gates = at_.binary(Op::ADD, gates, fully_connected(at_, before.hidden, weights_, bias_));
  }
  const std::vector<TensorId> activated = split_last(at_.unary(Op::LOGISTIC, gates), 4);
  const TensorId candidate = at_.unary(Op::TANH, last(gates, 2 * size_, size_));
  State after;
  after.memory = at_.binary(Op::MUL, activated[0], candidate);
  if (before.memory != tflite::kNoTensor) {
    const TensorId kept = at_.binary(Op::MUL, activated[1], before.memory);
    after.memory = at_.binary(Op::ADD, kept, after.memory);
  }
  after.hidden = at_.binary(Op::MUL, activated[3], at_.unary(Op::TANH, after.memory));
  if (projection_ != tflite::kNoTensor) {
    after.hidden = fully_connected(at_, after.hidden, projection_, tflite::kNoTensor);
  }
  return after;
}

// n = tanh(n_x + r * n_h), h = n + z * (h - n)
State CellStep::advance_gru(TensorId gates, TensorId candidate, const State& before) {
  const bool start = before.hidden == tflite::kNoTensor;
  if (!start) gates = at_.binary(Op::ADD, gates, fully_connected(at_, before.hidden, weights_, bias_));
  const std::vector<TensorId> activated = split_last(at_.unary(Op::LOGISTIC, gates), 2);
  const TensorId reset = activated[0];
  const TensorId update = activated[1];
  const TensorId recurrent =
      start ? candidate_bias_ : fully_connected(at_, before.hidden, candidate_weights_, candidate_bias_);
  const TensorId fresh = at_.unary(Op::TANH, at_.binary(Op::ADD, candidate, at_.binary(Op::MUL, reset, recurrent)));
  if (start) return {at_.binary(Op::SUB, fresh, at_.binary(Op::MUL, update, fresh)), tflite::kNoTensor};
  const TensorId change = at_.binary(Op::MUL, update, at_.binary(Op::SUB, before.hidden, fresh));
  return {at_.binary(Op::ADD, fresh, change), tflite::kNoTensor};
}

std::vector<TensorId> CellStep::split_last(TensorId x, int64_t parts) {
  const TensorId axis = at_.constant(std::vector<int32_t>{static_cast<int32_t>(at_.rank(x) - 1)}, {});
  Sizes shape = at_.shape(x);
  shape.back() /= parts;
  return at_.emit_many(Op::SPLIT, {axis, x}, at_.type(x), std::vector<Sizes>(static_cast<size_t>(parts), shape),
                       tflite::SplitOptions{static_cast<int32_t>(parts)});
}

TensorId CellStep::last(TensorId x, int64_t begin, int64_t count) {
  Sizes start(static_cast<size_t>(at_.rank(x)), 0);
  Sizes size = at_.shape(x);
  start.back() = begin;
  size.back() = count;
  return at_.slice(x, start, size);
}

TensorId concatenate_many(Lowering& at, std::vector<TensorId> parts, int64_t axis) {
  while (parts.size() > 1) {
    std::vector<TensorId> joined;
    for (size_t i = 0; i < parts.size(); i += kLargestConcatenation) {
      const auto first = parts.begin() + static_cast<std::ptrdiff_t>(i);
      const auto count = static_cast<std::ptrdiff_t>(std::min(kLargestConcatenation, parts.size() - i));
      joined.push_back(at.concatenate({first, first + count}, axis));
    }
    parts = std::move(joined);
  }
  return parts[0];
}

}  // namespace tinyml::lowering
