#include "tflite/passes/editor.h"

#include <algorithm>

#include "tinyml/error.h"

namespace tinyml::tflite {

Editor::Editor(Subgraph& subgraph)
    : subgraph_(subgraph),
      uses_(find_uses(subgraph)),
      live_(subgraph.operators.size(), true),
      is_input_(subgraph.tensors.size(), false) {
  for (int id : subgraph.inputs) is_input_[static_cast<size_t>(id)] = true;
}

int Editor::producer_of_kind(int id, Op kind) const {
  const int made_by = id == kNoTensor ? kNoProducer : producer(id);
  return made_by != kNoProducer && op(made_by).op == kind ? made_by : kNoProducer;
}

int Editor::only_consumer(int id) const { return consumers(id).size() == 1 ? consumers(id)[0].op : kGraphOutput; }

bool Editor::is_output(int id) const {
  return std::any_of(consumers(id).begin(), consumers(id).end(), [](const Use& use) { return use.op == kGraphOutput; });
}

int Editor::add_tensor(Tensor tensor) {
  uses_.producer.push_back(kNoProducer);
  uses_.consumers.emplace_back();
  is_input_.push_back(false);
  return subgraph_.add_tensor(std::move(tensor));
}

int Editor::add_integers(std::string name, std::vector<int32_t> values) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.type = Type::INT32;
  tensor.shape = {static_cast<int32_t>(values.size())};
  tensor.buffer = Buffer::of(std::move(values));
  return add_tensor(std::move(tensor));
}

int Editor::add_operator(Operator added) {
  const int index = count();
  for (size_t i = 0; i < added.inputs.size(); ++i) {
    if (added.inputs[i] != kNoTensor) {
      uses_.consumers[static_cast<size_t>(added.inputs[i])].push_back({index, static_cast<int>(i)});
    }
  }
  for (int id : added.outputs) uses_.producer[static_cast<size_t>(id)] = index;
  subgraph_.operators.push_back(std::move(added));
  live_.push_back(true);
  return index;
}

void Editor::drop_use(int id, int op, size_t slot) {
  if (id == kNoTensor) return;
  auto& uses = uses_.consumers[static_cast<size_t>(id)];
  const auto at = std::find_if(uses.begin(), uses.end(),
                               [&](const Use& use) { return use.op == op && use.input == static_cast<int>(slot); });
  TINYML_CHECK(at != uses.end());
  uses.erase(at);
}

void Editor::remove(int index) {
  const Operator& gone = op(index);
  for (size_t i = 0; i < gone.inputs.size(); ++i) drop_use(gone.inputs[i], index, i);
  for (int id : gone.outputs) {
    if (producer(id) == index) uses_.producer[static_cast<size_t>(id)] = kNoProducer;
  }
  live_[static_cast<size_t>(index)] = false;
}

void Editor::become(int index, Op kind, Options options) {
  subgraph_.operators[static_cast<size_t>(index)].op = kind;
  subgraph_.operators[static_cast<size_t>(index)].version = 0;
  subgraph_.operators[static_cast<size_t>(index)].options = std::move(options);
}

void Editor::set_input(int index, size_t slot, int id) {
  int& input = subgraph_.operators[static_cast<size_t>(index)].inputs[slot];
  drop_use(input, index, slot);
  input = id;
  if (id != kNoTensor) uses_.consumers[static_cast<size_t>(id)].push_back({index, static_cast<int>(slot)});
}

void Editor::set_inputs(int index, std::vector<int> inputs) {
  Operator& changed = subgraph_.operators[static_cast<size_t>(index)];
  for (size_t i = 0; i < changed.inputs.size(); ++i) drop_use(changed.inputs[i], index, i);
  changed.inputs = std::move(inputs);
  for (size_t i = 0; i < changed.inputs.size(); ++i) {
    if (changed.inputs[i] != kNoTensor) {
      uses_.consumers[static_cast<size_t>(changed.inputs[i])].push_back({index, static_cast<int>(i)});
    }
  }
}

void Editor::set_output(int index, size_t slot, int id) {
  int& output = subgraph_.operators[static_cast<size_t>(index)].outputs[slot];
  if (producer(output) == index) uses_.producer[static_cast<size_t>(output)] = kNoProducer;
  output = id;
  uses_.producer[static_cast<size_t>(id)] = index;
}

void Editor::replace_output(size_t position, int id) {
  const int from = subgraph_.outputs[position];
  drop_use(from, kGraphOutput, position);
  subgraph_.outputs[position] = id;
  uses_.consumers[static_cast<size_t>(id)].push_back({kGraphOutput, static_cast<int>(position)});
  if (!is_output(from) && !is_input(id) && !tensor(id).is_constant()) std::swap(tensor(id).name, tensor(from).name);
}

void Editor::replace_uses(int from, int to) {
  if (from == to) return;
  const std::vector<Use> uses = std::move(uses_.consumers[static_cast<size_t>(from)]);
  uses_.consumers[static_cast<size_t>(from)].clear();
  bool was_output = false;
  for (const Use& use : uses) {
    if (use.op == kGraphOutput) {
      was_output = true;
      subgraph_.outputs[static_cast<size_t>(use.input)] = to;
    } else {
      subgraph_.operators[static_cast<size_t>(use.op)].inputs[static_cast<size_t>(use.input)] = to;
    }
    uses_.consumers[static_cast<size_t>(to)].push_back(use);
  }
  const auto outputs_of = [&](int id) { return std::count(subgraph_.outputs.begin(), subgraph_.outputs.end(), id); };
  if (was_output && outputs_of(to) == 1 && !is_input(to) && !tensor(to).is_constant()) {
    std::swap(tensor(to).name, tensor(from).name);
  }
}

void Editor::finish() {
  const auto total = static_cast<size_t>(count());
  std::vector<int> order;
  std::vector<char> state(total, 0);  // 0: not seen, 1: open, 2: placed.
  std::vector<std::pair<int, size_t>> stack;
  order.reserve(total);
  for (size_t start = 0; start < total; ++start) {
    if (!live_[start] || state[start] == 2) continue;
    stack.emplace_back(static_cast<int>(start), 0);
    state[start] = 1;
    while (!stack.empty()) {
      auto& [at, next] = stack.back();
      const Operator& current = op(at);
      bool descended = false;
      while (next < current.inputs.size()) {
        const int id = current.inputs[next++];
        const int made_by = id == kNoTensor ? kNoProducer : producer(id);
        if (made_by == kNoProducer || state[static_cast<size_t>(made_by)] == 2) continue;
        TINYML_CHECK(state[static_cast<size_t>(made_by)] == 0);  // No cycles.
        state[static_cast<size_t>(made_by)] = 1;
        stack.emplace_back(made_by, 0);
        descended = true;
        break;
      }
      if (descended) continue;
      state[static_cast<size_t>(at)] = 2;
      order.push_back(at);
      stack.pop_back();
    }
  }
  std::vector<Operator> sorted;
  sorted.reserve(order.size());
  for (int index : order) sorted.push_back(std::move(subgraph_.operators[static_cast<size_t>(index)]));
  subgraph_.operators = std::move(sorted);
}

bool same_kind(const Tensor& a, const Tensor& b) {
  return a.type == b.type && a.shape == b.shape && a.shape_signature == b.shape_signature &&
         a.quantization == b.quantization && !a.is_variable && !b.is_variable;
}

}  // namespace tinyml::tflite
