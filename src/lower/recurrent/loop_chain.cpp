#include "lower/recurrent/chain.h"

namespace tinyml::lowering {
namespace {

// What the loop carries, in the order of the operands of WHILE.
struct Carried {
  TensorId position;  ///< int32[1], on the time axis.
  TensorId sequence;
  State state;
  std::vector<TensorId> projected;  ///< Read only: the body hands it on as it is, which the runtime does not copy.

  std::vector<TensorId> all() const {
    std::vector<TensorId> result = {position, sequence, state.hidden};
    if (state.memory != tflite::kNoTensor) result.push_back(state.memory);
    result.insert(result.end(), projected.begin(), projected.end());
    return result;
  }
};

TensorId like(Lowering& at, const tflite::Tensor& tensor) {
  return at.add_tensor(tensor.type, {tensor.shape.begin(), tensor.shape.end()});
}

// The same tensors as inputs of the subgraph at hand; `types` are their counterparts in the calling one.
Carried add_inputs(Lowering& at, const std::vector<tflite::Tensor>& types, bool has_memory) {
  std::vector<TensorId> ids;
  for (const tflite::Tensor& type : types) ids.push_back(like(at, type));
  at.subgraph().inputs = ids;
  const size_t first = has_memory ? 4 : 3;
  return {ids[0], ids[1], {ids[2], has_memory ? ids[3] : tflite::kNoTensor}, {ids.begin() + first, ids.end()}};
}

int add_condition(Lowering& at, const std::vector<tflite::Tensor>& types, const Chain& chain, int64_t steps) {
  const int index = at.begin_subgraph("has_steps_left");
  const Carried carried = add_inputs(at, types, chain.cell == Cell::kLstm);
  const TensorId bound = at.indices({chain.backward ? 0 : steps});
  at.subgraph().outputs = {at.compare(chain.backward ? Op::GREATER_EQUAL : Op::LESS, carried.position, bound)};
  at.end_subgraph();
  return index;
}

int add_body(Lowering& at, const std::vector<tflite::Tensor>& types, const Chain& chain) {
  const int index = at.begin_subgraph("step");
  const Carried before = add_inputs(at, types, chain.cell == Cell::kLstm);
  std::vector<TensorId> parts;
  for (const TensorId whole : before.projected) parts.push_back(at.gather(whole, before.position, chain.time_axis));
  Carried after = before;
  after.state = CellStep(at, chain.cell, chain.weights).advance(parts, before.state);
  Sizes axis(3, 0);
  axis[static_cast<size_t>(chain.time_axis)] = 1;
  const TensorId start = at.binary(Op::MUL, before.position, at.indices(axis));
  after.sequence = at.emit(Op::DYNAMIC_UPDATE_SLICE, {before.sequence, after.state.hidden, start},
                           at.type(before.sequence), at.shape(before.sequence));
  after.position = at.binary(Op::ADD, before.position, at.indices({chain.backward ? -1 : 1}));
  at.subgraph().outputs = after.all();
  at.end_subgraph();
  return index;
}

}  // namespace

ChainResult loop_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial) {
  if (chain.weights.are_computed()) {
    at.refuse("a loop's weights must be constant, and the model computes them",
              "convert with recurrent='unrolled' (the default)");
  }
  const auto time = static_cast<size_t>(chain.time_axis);
  const Sizes shape = at.shape(x);
  const auto zeros = [&](Sizes sizes, int64_t width) {
    sizes.back() = width;
    return at.emit(Op::FILL, {at.indices(sizes), at.scalar(0, Type::FLOAT32)}, Type::FLOAT32, sizes);
  };
  Sizes one_step = shape;
  one_step[time] = 1;
  const int64_t hidden_size = chain.weights.hidden.shape[1];
  const int64_t memory_size = chain.weights.hidden.shape[0] / gate_count(chain.cell);
  Carried carried;
  carried.projected = project_input(at, chain.cell, chain.weights, x);
  carried.position = at.indices({chain.backward ? shape[time] - 1 : 0});
  carried.sequence = zeros(shape, hidden_size);
  carried.state = initial;
  if (initial.hidden == tflite::kNoTensor) carried.state.hidden = zeros(one_step, hidden_size);
  if (chain.cell == Cell::kLstm && initial.memory == tflite::kNoTensor) {
    carried.state.memory = zeros(one_step, memory_size);
  }
  const std::vector<TensorId> inputs = carried.all();
  std::vector<tflite::Tensor> types;
  for (const TensorId id : inputs) types.push_back(at.tensor(id));
  const int condition = add_condition(at, types, chain, shape[time]);
  const int body = add_body(at, types, chain);
  std::vector<TensorId> outputs;
  for (const tflite::Tensor& type : types) outputs.push_back(like(at, type));
  at.add_operator(Op::WHILE, inputs, outputs, tflite::WhileOptions{condition, body});
  return {outputs[1], {outputs[2], chain.cell == Cell::kLstm ? outputs[3] : tflite::kNoTensor}};
}

}  // namespace tinyml::lowering
