#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// How a graph is executed.
struct EvaluateOptions {
  /// Compute every floating-point value in float64, as proofs need; otherwise in the graph's own types (float16 and
  /// bfloat16 are computed in float32 and rounded after each operator).
  bool float64 = false;
  /// Data to use in place of a parameter's, buffer's or constant's own, by its value. Other shapes are allowed as long
  /// as the operators that read them agree.
  std::map<ValueId, Tensor> replacements;
  /// Called with each input and each operator's result as soon as it is known, in execution order.
  std::function<void(ValueId, const Tensor&)> on_value;
  /// Called before that, and before anything reads the tensor, which it may replace by another of the same shape.
  std::function<void(ValueId, Tensor&)> adjust_value;
};

/// Runs the graph in inference mode: batch norm uses its running statistics, dropout is the identity, fake quantization
/// uses the ranges it has and observes nothing.
///
/// `inputs`: one tensor for each of graph.inputs() that is not a constant, of the captured shape (symbolic sizes are
/// free); floating-point inputs may have any floating-point type. A symbolic number is a tensor of rank 0. Returns one
/// tensor for each user output in order; None is an undefined tensor, a number one of rank 0. Only operators that an
/// output needs are run, mutations of buffers are not; a value is freed after its last use. Throws Error for operators
/// without an evaluator (all of them, before anything runs), for inputs that do not fit, and for arguments an operator
/// refuses, naming module and source line.
std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs,
                             const EvaluateOptions& options = {});

/// Runs one operator. `inputs`: one tensor for each distinct value among its arguments, in order of first occurrence.
/// Returns one tensor for each of the node's outputs.
std::vector<Tensor> evaluate_node(const Graph& graph, NodeId node, const std::vector<Tensor>& inputs,
                                  bool float64 = false);

/// Whether operator `op` ("aten.conv2d.default") has an evaluator.
bool is_evaluable(std::string_view op);

/// Throws Error naming every operator that evaluate() would need and that has no evaluator.
void check_evaluable(const Graph& graph);

}  // namespace tinyml
