#pragma once

#include <string>
#include <variant>
#include <vector>

#include "tinyml/evaluate.h"
#include "tinyml/schema.h"

namespace tinyml {

/// An argument of an operator under test: constant, tensor or list of tensors.
struct Given {
  std::string name;
  std::variant<Argument, Tensor, std::vector<Tensor>> value;
};

/// A graph of one operator with `outputs` outputs, whose tensor arguments are its inputs.
inline Graph operator_graph(const std::string& op, const std::vector<Given>& given, std::vector<Tensor>& inputs,
                            size_t outputs = 1) {
  Graph graph;
  const auto add = [&](const Tensor& tensor) {
    inputs.push_back(tensor);
    return graph.add_input("x", TensorType::of(tensor.type(), tensor.shape()));
  };
  std::vector<NamedArgument> args;
  for (const Given& each : given) {
    if (const auto* tensor = std::get_if<Tensor>(&each.value)) {
      args.push_back({each.name, add(*tensor)});
    } else if (const auto* list = std::get_if<std::vector<Tensor>>(&each.value)) {
      Argument::List values;
      for (const Tensor& item : *list) values.push_back(add(item));
      args.push_back({each.name, values});
    } else {
      args.push_back({each.name, std::get<Argument>(each.value)});
    }
  }
  Node node;
  node.op = op;
  node.args = make_args(op, args);
  for (size_t i = 0; i < outputs; ++i) node.outputs.push_back(graph.add_value("y", TensorType{}));
  for (ValueId output : node.outputs) graph.add_output({output, OutputKind::kUser, ""});
  graph.add_node(std::move(node));
  return graph;
}

inline std::vector<Tensor> run_operator(const std::string& op, const std::vector<Given>& given, size_t outputs = 1,
                                        bool float64 = false) {
  std::vector<Tensor> inputs;
  const Graph graph = operator_graph(op, given, inputs, outputs);
  EvaluateOptions options;
  options.float64 = float64;
  return evaluate(graph, inputs, options);
}

}  // namespace tinyml
