#include "lower/recurrent/cell.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "lower/math/matmul.h"

namespace tinyml::lowering {
namespace {

constexpr size_t kLargestConcatenation = 5;

CellWeight rows(Lowering& at, const CellWeight& whole, int64_t begin, int64_t count, const char* suffix) {
  if (!whole.exists()) return {};
  CellWeight part{{}, whole.name + suffix, tflite::kNoTensor, whole.shape};
  part.shape[0] = count;
  if (whole.data.defined()) {
    Sizes indices(static_cast<size_t>(count));
    std::iota(indices.begin(), indices.end(), begin);
    part.data = whole.data.index_select(0, indices);
  } else {
    Sizes start(whole.shape.size(), 0);
    start[0] = begin;
    part.computed = at.slice(whole.computed, start, part.shape);
  }
  return part;
}

TensorId tensor_of(Lowering& at, const CellWeight& weight) {
  return weight.data.defined() ? at.constant(weight.data, weight.name) : weight.computed;
}

CellWeight sum(Lowering& at, const CellWeight& a, const CellWeight& b) {
  if (!a.exists()) return {};
  CellWeight result{{}, a.name, tflite::kNoTensor, a.shape};
  if (!a.data.defined() || !b.data.defined()) {
    result.computed = at.binary(Op::ADD, tensor_of(at, a), tensor_of(at, b));
    return result;
  }
  std::vector<float> values(a.data.data<float>().begin(), a.data.data<float>().end());
  for (size_t i = 0; i < values.size(); ++i) values[i] += b.data.data<float>()[i];
  result.data = Tensor::from(values, a.shape);
  return result;
}

}  // namespace

bool DirectionWeights::are_computed() const {
  const auto is_computed = [](const CellWeight* weight) { return weight->computed != tflite::kNoTensor; };
  const std::array<const CellWeight*, 5> all = {&input, &hidden, &input_bias, &hidden_bias, &projection};
  return std::any_of(all.begin(), all.end(), is_computed);
}

int64_t gate_count(Cell cell) { return cell == Cell::kLstm ? 4 : (cell == Cell::kGru ? 3 : 1); }

std::vector<TensorId> project_input(Lowering& at, Cell cell, const DirectionWeights& weights, TensorId x) {
  const int64_t size = weights.input.shape[0] / gate_count(cell);
  const auto project = [&](const CellWeight& matrix, const CellWeight& bias) {
    return fully_connected(at, x, tensor_of(at, matrix), tensor_of(at, bias));
  };
  if (cell != Cell::kGru) {  // Both biases are added to every step alike.
    return {project(weights.input, sum(at, weights.input_bias, weights.hidden_bias))};
  }
  const CellWeight bias =
      sum(at, rows(at, weights.input_bias, 0, 2 * size, "_rz"), rows(at, weights.hidden_bias, 0, 2 * size, ""));
  return {project(rows(at, weights.input, 0, 2 * size, "_rz"), bias),
          project(rows(at, weights.input, 2 * size, size, "_n"), rows(at, weights.input_bias, 2 * size, size, "_n"))};
}

CellStep::CellStep(Lowering& at, Cell cell, const DirectionWeights& weights)
    : at_(at), cell_(cell), size_(weights.hidden.shape[0] / gate_count(cell)) {
  const auto zeros = [&](int64_t count) {
    return at.constant(std::vector<float>(static_cast<size_t>(count)), {count});
  };
  if (cell == Cell::kGru) {
    weights_ = tensor_of(at, rows(at, weights.hidden, 0, 2 * size_, "_rz"));
    candidate_weights_ = tensor_of(at, rows(at, weights.hidden, 2 * size_, size_, "_n"));
    bias_ = zeros(2 * size_);
    candidate_bias_ = weights.hidden_bias.exists()
                          ? tensor_of(at, rows(at, weights.hidden_bias, 2 * size_, size_, "_n"))
                          : zeros(size_);
  } else {
    weights_ = tensor_of(at, weights.hidden);
    bias_ = zeros(gate_count(cell) * size_);
  }
  projection_ = tensor_of(at, weights.projection);
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
