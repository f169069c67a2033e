#include "prune/batch_runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tinyml/evaluate.h"

namespace tinyml::prune {
namespace {

std::vector<NodeId> needed_nodes(const Graph& graph) {
  Graph copy = graph;
  std::vector<Output> results;
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser) results.push_back(output);
  }
  copy.set_outputs(std::move(results));
  copy.erase_dead_nodes();
  return copy.nodes();
}

void check_operators(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<Diagnostic> problems;
  for (const NodeId id : nodes) {
    const Node& node = graph.node(id);
    if (is_evaluable(node.op)) continue;
    problems.push_back({fmt::format("operator {} has no evaluator", node.op), node.module_path(), node.source(), ""});
  }
  if (!problems.empty()) throw Error("the graph cannot be run on calibration data", std::move(problems));
}

Tensor checked_input(const Value& value, const Tensor& tensor) {
  if (!tensor.defined()) throw Error(fmt::format("input '{}' is undefined", value.name));
  if (value.kind != ValueKind::kTensor) return tensor;
  if (tensor.shape() != value.tensor.sizes()) {
    throw Error(fmt::format("input '{}' has shape [{}] where the model was captured with [{}]", value.name,
                            fmt::join(tensor.shape(), ", "), fmt::join(value.tensor.sizes(), ", ")),
                "give batches of the captured shape");
  }
  return tensor.type() == value.tensor.type ? tensor : tensor.to(value.tensor.type);
}

}  // namespace

BatchRunner::BatchRunner(const Graph& graph, const std::vector<std::vector<Tensor>>& batches)
    : graph_(graph), nodes_(needed_nodes(graph)), last_use_(graph.value_limit(), 0) {
  check_operators(graph, nodes_);
  if (batches.empty()) throw Error("calibration needs example inputs", "give some batches of data");
  std::vector<ValueId> inputs;
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) inputs.push_back(input.value);
  }
  for (const std::vector<Tensor>& batch : batches) {
    if (batch.size() != inputs.size()) {
      throw Error(fmt::format("the model has {} inputs, {} were given", inputs.size(), batch.size()));
    }
    std::vector<Tensor>& values = values_.emplace_back(graph.value_limit());
    for (size_t i = 0; i < inputs.size(); ++i) {
      values[index_of(inputs[i])] = checked_input(graph.value(inputs[i]), batch[i]);
    }
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (const NamedArgument& arg : graph.node(nodes_[i]).args) {
      arg.value.for_each_value([&](ValueId value) { last_use_[index_of(value)] = i; });
    }
  }
}

const Tensor& BatchRunner::value(size_t batch, ValueId id) const {
  const Tensor& tensor = values_[batch][index_of(id)];
  if (tensor.defined()) return tensor;
  const Binding* binding = graph_.binding_of(id);
  if (binding == nullptr) throw Error(fmt::format("value '{}' is read before it is computed", graph_.value(id).name));
  return binding->data;
}

void BatchRunner::run(NodeId id) {
  TINYML_CHECK(next_ < nodes_.size() && nodes_[next_] == id);
  const Node& node = graph_.node(id);
  std::vector<ValueId> operands;  // Distinct, by first occurrence.
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId operand) {
      if (std::find(operands.begin(), operands.end(), operand) == operands.end()) operands.push_back(operand);
    });
  }
  for (size_t batch = 0; batch < values_.size(); ++batch) {
    std::vector<Tensor> inputs;
    for (const ValueId operand : operands) inputs.push_back(value(batch, operand));
    std::vector<Tensor> results = evaluate_node(graph_, id, inputs);
    for (size_t i = 0; i < results.size(); ++i) {
      if (node.outputs[i] != kNoValue) values_[batch][index_of(node.outputs[i])] = std::move(results[i]);
    }
    // Operands of the operator before were still readable until now.
    if (next_ == 0) continue;
    for (const NamedArgument& arg : graph_.node(nodes_[next_ - 1]).args) {
      arg.value.for_each_value([&](ValueId old) {
        if (last_use_[index_of(old)] < next_) values_[batch][index_of(old)] = Tensor();
      });
    }
  }
  ++next_;
}

}  // namespace tinyml::prune
