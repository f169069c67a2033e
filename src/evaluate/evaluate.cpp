#include "tinyml/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "evaluate/registry.h"

namespace tinyml {
namespace {

bool is_result(const Output& output) { return output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss; }

/// Nodes that a result needs, in execution order.
std::vector<NodeId> needed_nodes(const Graph& graph) {
  std::vector<bool> needed(graph.value_limit(), false);
  for (const Output& output : graph.outputs()) {
    if (is_result(output)) output.value.for_each_value([&](ValueId id) { needed[index_of(id)] = true; });
  }
  std::vector<NodeId> order = graph.nodes();
  std::vector<NodeId> result;
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const Node& node = graph.node(*id);
    const bool used = std::any_of(node.outputs.begin(), node.outputs.end(),
                                  [&](ValueId output) { return output != kNoValue && needed[index_of(output)]; });
    if (!used) continue;
    result.push_back(*id);
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) { needed[index_of(value)] = true; });
    }
  }
  std::reverse(result.begin(), result.end());
  return result;
}

constexpr std::string_view kCond = "higher_order.cond";
constexpr std::string_view kWhile = "higher_order.while_loop";

const Graph& body_of(const Node& node, size_t index) {
  if (index >= node.args.size() || !node.args[index].value.is_graph()) {
    throw Error({fmt::format("{} has no body", node.op), node.module_path(), node.source(), "export the model again"});
  }
  return *std::get<std::shared_ptr<const Graph>>(node.args[index].value.data);
}

void find_problems(const Graph& graph, const std::vector<NodeId>& nodes, std::vector<Diagnostic>& problems) {
  for (NodeId id : nodes) {
    const Node& node = graph.node(id);
    if (is_evaluable(node.op)) continue;
    if (node.op == kCond || node.op == kWhile) {
      const size_t first = node.op == kCond ? 1 : 0;
      for (size_t body = first; body < first + 2; ++body) {
        find_problems(body_of(node, body), needed_nodes(body_of(node, body)), problems);
      }
      continue;
    }
    problems.push_back({fmt::format("operator {} has no evaluator", node.op), node.module_path(), node.source(), ""});
  }
}

void check_nodes(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<Diagnostic> problems;
  find_problems(graph, nodes, problems);
  if (!problems.empty()) throw Error("the graph cannot be evaluated", std::move(problems));
}

/// Says how `tensor` fails to be the input `value`, or "".
std::string input_problem(const Value& value, const Tensor& tensor) {
  if (!tensor.defined()) return fmt::format("input '{}' is undefined", value.name);
  if (value.kind != ValueKind::kTensor) {
    return tensor.numel() == 1 ? "" : fmt::format("input '{}' must be one number", value.name);
  }
  const TensorType& type = value.tensor;
  bool fits = type.rank() == tensor.rank();
  for (size_t i = 0; fits && i < type.shape.size(); ++i) {
    fits = !type.shape[i].is_static() || type.shape[i].hint() == tensor.shape()[i];
  }
  if (!fits) {
    std::vector<std::string> sizes;
    for (const Dim& dim : type.shape) sizes.push_back(dim.to_string());
    return fmt::format("input '{}' has shape [{}] where the model was captured with [{}]", value.name,
                       fmt::join(tensor.shape(), ", "), fmt::join(sizes, ", "));
  }
  const bool same_kind =
      type.type == tensor.type() || (is_floating_point(type.type) && is_floating_point(tensor.type()));
  if (!same_kind) {
    return fmt::format("input '{}' is {} where the model was captured with {}", value.name, name_of(tensor.type()),
                       name_of(type.type));
  }
  return "";
}

/// Values alive during one evaluation.
class Evaluation {
 public:
  Evaluation(const Graph& graph, const EvaluateOptions& options)
      : graph_(graph), options_(options), values_(graph.value_limit()), uses_(graph.value_limit(), 0) {}

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    const std::vector<NodeId> nodes = needed_nodes(graph_);
    check_nodes(graph_, nodes);
    count_uses(nodes);
    set_inputs(inputs);
    const evaluation::OperatorCall::Lookup lookup = [this](ValueId id) -> const Tensor& { return find(id); };
    for (NodeId id : nodes) {
      const Node& node = graph_.node(id);
      std::vector<Tensor> results =
          node.op == kCond || node.op == kWhile
              ? run_control(node)
              : evaluation::run_operator(evaluation::OperatorCall(graph_, node, lookup, options_.float64));
      for (const NamedArgument& arg : node.args) {
        arg.value.for_each_value([&](ValueId value) { release(value); });
      }
      for (size_t i = 0; i < results.size(); ++i) {
        if (node.outputs[i] != kNoValue) set(node.outputs[i], std::move(results[i]));
      }
    }
    return collect_outputs();
  }

 private:
  Tensor operand(const Argument& argument) {
    if (argument.is_value()) return find(argument.as_value());
    if (argument.is_bool()) return Tensor::scalar(argument.as_bool());
    return argument.is_int() ? Tensor::scalar(argument.as_int()) : Tensor::scalar(argument.as_double());
  }

  std::vector<Tensor> operands(const Node& node, size_t index) {
    std::vector<Tensor> result;
    if (index >= node.args.size()) return result;
    for (const Argument& item : node.args[index].value.as_list()) result.push_back(operand(item));
    return result;
  }

  /// (predicate, true body, false body, operands), or (condition, body, carried operands, additional operands).
  std::vector<Tensor> run_control(const Node& node) {
    EvaluateOptions inner;
    inner.float64 = options_.float64;
    const auto holds = [](const Tensor& tensor) { return tensor.to_doubles().at(0) != 0; };
    if (node.op == kCond) {
      return evaluate(body_of(node, holds(operand(node.args[0].value)) ? 1 : 2), operands(node, 3), inner);
    }
    std::vector<Tensor> carried = operands(node, 2);
    const std::vector<Tensor> additional = operands(node, 3);
    while (true) {
      std::vector<Tensor> all = carried;
      all.insert(all.end(), additional.begin(), additional.end());
      if (!holds(evaluate(body_of(node, 0), all, inner).at(0))) return carried;
      carried = evaluate(body_of(node, 1), all, inner);
    }
  }

  void count_uses(const std::vector<NodeId>& nodes) {
    const auto count = [&](const Argument& argument) {
      argument.for_each_value([&](ValueId value) { ++uses_[index_of(value)]; });
    };
    for (NodeId id : nodes) {
      for (const NamedArgument& arg : graph_.node(id).args) count(arg.value);
    }
    for (const Output& output : graph_.outputs()) {
      if (is_result(output)) count(output.value);
    }
  }

  void set_inputs(const std::vector<Tensor>& inputs) {
    std::vector<ValueId> ids;
    for (const Input& input : graph_.inputs()) {
      if (input.value != kNoValue) ids.push_back(input.value);
    }
    if (ids.size() != inputs.size()) {
      throw Error(fmt::format("the model has {} inputs, {} were given", ids.size(), inputs.size()));
    }
    std::vector<Diagnostic> problems;
    for (size_t i = 0; i < ids.size(); ++i) {
      std::string problem = input_problem(graph_.value(ids[i]), inputs[i]);
      if (!problem.empty()) problems.push_back({std::move(problem), "", {}, "trace the model with these inputs"});
    }
    if (!problems.empty()) throw Error("the inputs do not fit the model", std::move(problems));
    for (size_t i = 0; i < ids.size(); ++i) {
      const Value& value = graph_.value(ids[i]);
      const bool convert = value.kind == ValueKind::kTensor && is_floating_point(value.tensor.type);
      set(ids[i], adopt(convert ? inputs[i].to(effective(value.tensor.type)) : inputs[i]));
    }
  }

  ScalarType effective(ScalarType type) const {
    return options_.float64 && is_floating_point(type) ? ScalarType::kFloat64 : type;
  }
  Tensor adopt(const Tensor& tensor) const {
    const ScalarType type = effective(tensor.type());
    return type == tensor.type() ? tensor : tensor.to(type);
  }

  void set(ValueId id, Tensor tensor) {
    if (options_.adjust_value) options_.adjust_value(id, tensor);
    if (options_.on_value) options_.on_value(id, tensor);
    if (uses_[index_of(id)] > 0) values_[index_of(id)] = std::move(tensor);
  }

  /// A binding's data is converted at its first use and kept until its last.
  const Tensor& find(ValueId id) {
    Tensor& tensor = values_[index_of(id)];
    if (tensor.defined()) return tensor;
    const auto replacement = options_.replacements.find(id);
    if (replacement != options_.replacements.end()) {
      tensor = adopt(replacement->second);
    } else {
      const Binding* binding = graph_.binding_of(id);
      if (binding == nullptr)
        throw Error(fmt::format("value '{}' is read before it is computed", graph_.value(id).name));
      if (!binding->data.defined()) throw Error(fmt::format("'{}' has no data", binding->fqn));
      tensor = adopt(binding->data);
    }
    return tensor;
  }

  void release(ValueId id) {
    if (--uses_[index_of(id)] == 0) values_[index_of(id)] = Tensor();
  }

  std::vector<Tensor> collect_outputs() {
    std::vector<Tensor> results;
    for (const Output& output : graph_.outputs()) {
      if (!is_result(output)) continue;
      const Argument& value = output.value;
      if (value.is_value()) {
        results.push_back(find(value.as_value()).contiguous());
      } else if (value.is_bool()) {
        results.push_back(Tensor::scalar(value.as_bool()));
      } else if (value.is_int()) {
        results.push_back(Tensor::scalar(value.as_int()));
      } else if (value.is_double()) {
        results.push_back(Tensor::scalar(value.as_double()));
      } else {
        results.emplace_back();
      }
    }
    return results;
  }

  const Graph& graph_;
  const EvaluateOptions& options_;
  std::vector<Tensor> values_;
  std::vector<int64_t> uses_;  ///< Reads still to come.
};

}  // namespace

void check_evaluable(const Graph& graph) { check_nodes(graph, needed_nodes(graph)); }

std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs, const EvaluateOptions& options) {
  return Evaluation(graph, options).run(inputs);
}

std::vector<Tensor> evaluate_node(const Graph& graph, NodeId id, const std::vector<Tensor>& inputs, bool float64) {
  const Node& node = graph.node(id);
  check_nodes(graph, {id});
  if (!is_evaluable(node.op)) throw Error(fmt::format("{} is evaluated as part of its graph only", node.op));
  std::map<ValueId, Tensor> values;
  size_t next = 0;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId value) {
      if (values.find(value) != values.end()) return;
      if (next >= inputs.size()) throw Error(fmt::format("{} has more than {} input values", node.op, inputs.size()));
      const Tensor& input = inputs[next++];
      values[value] = float64 && is_floating_point(input.type()) ? input.to(ScalarType::kFloat64) : input;
    });
  }
  if (next != inputs.size())
    throw Error(fmt::format("{} has {} input values, {} were given", node.op, next, inputs.size()));
  const evaluation::OperatorCall::Lookup lookup = [&](ValueId value) -> const Tensor& { return values.at(value); };
  return evaluation::run_operator(evaluation::OperatorCall(graph, node, lookup, float64));
}

}  // namespace tinyml
