// torch.cond becomes IF, while_loop WHILE: each body is a subgraph of its own, with its inputs and outputs in the
// logical order. Weights that a body reads are constants of its subgraph.
#include "lower/control_flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "lower/lower_graph.h"

namespace tinyml::lowering {
namespace {

using Operands = std::vector<Argument>;

const Graph& body_at(const Lowering& at, size_t index) {
  const auto& args = at.node().args;
  if (index >= args.size() || !args[index].value.is_graph()) {
    at.refuse("a body that is no graph", "export the model again");
  }
  return *std::get<std::shared_ptr<const Graph>>(args[index].value.data);
}

Operands operands_at(const Lowering& at, size_t index) {
  const auto& args = at.node().args;
  return index < args.size() && args[index].value.is_list() ? args[index].value.as_list() : Operands{};
}

const Binding* known(const Lowering& at, const Argument& operand) {
  return operand.is_value() ? at.graph().binding_of(operand.as_value()) : nullptr;
}

// The body with the weights among its operands bound inside; its other inputs stay, in order.
class Closing {
 public:
  Closing(const Lowering& at, const Graph& body) : at_(at), body_(body) {}

  Graph run(const Operands& operands, const std::vector<bool>& stays) {
    if (operands.size() != body_.inputs().size()) at_.refuse("a body with other inputs than operands");
    for (size_t i = 0; i < operands.size(); ++i) {
      const Input& input = body_.inputs()[i];
      if (input.value == kNoValue) continue;
      const Binding* binding = known(at_, operands[i]);
      values_[input.value] = binding != nullptr && !stays[i]
                                 ? closed_.add_binding(BindingKind::kConstant, binding->fqn, binding->data)
                                 : closed_.add_input(input.name, body_.tensor_type(input.value));
    }
    for (const Binding& binding : body_.bindings()) {
      values_[binding.value] = closed_.add_binding(binding.kind, binding.fqn, binding.data);
    }
    for (const NodeId id : body_.nodes()) copy(body_.node(id));
    for (Output output : body_.outputs()) {
      if (output.kind != OutputKind::kUser) {
        at_.refuse("a body that changes " + output.target, "return the new tensor from the body instead");
      }
      output.value = translate(output.value);
      closed_.add_output(std::move(output));
    }
    return std::move(closed_);
  }

 private:
  Argument translate(const Argument& argument) const {
    if (argument.is_value()) return values_.at(argument.as_value());
    if (!argument.is_list()) return argument;
    Argument::List items;
    for (const Argument& item : argument.as_list()) items.push_back(translate(item));
    return items;
  }

  void copy(Node node) {
    for (NamedArgument& argument : node.args) argument.value = translate(argument.value);
    for (ValueId& output : node.outputs) {
      if (output == kNoValue) continue;
      const ValueId made = closed_.add_value(body_.value(output));
      values_[output] = made;
      output = made;
    }
    closed_.add_node(std::move(node));
  }

  const Lowering& at_;
  const Graph& body_;
  Graph closed_;
  std::map<ValueId, ValueId> values_;
};

void shift_subgraphs(tflite::Model& model, int32_t by) {
  for (tflite::Subgraph& subgraph : model.subgraphs) {
    for (tflite::Operator& op : subgraph.operators) {
      if (auto* branch = std::get_if<tflite::IfOptions>(&op.options)) {
        branch->then_subgraph += by;
        branch->else_subgraph += by;
      } else if (auto* loop = std::get_if<tflite::WhileOptions>(&op.options)) {
        loop->cond_subgraph += by;
        loop->body_subgraph += by;
      }
    }
  }
}

// Appends the body's subgraphs; returns the index of its first.
int32_t add_body(Lowering& at, const Graph& closed, const std::string& name) {
  LowerOptions options;  // those of inputs and outputs are the main graph's
  options.target = at.target;
  options.recurrent = at.options().recurrent;
  const Graph sized = at.symbols.empty() ? closed : with_sizes(closed, at.symbols);
  tflite::Model model = lower_graph(sized, options, at.symbols).model;
  const auto index = static_cast<int32_t>(at.model.subgraphs.size());
  shift_subgraphs(model, index);
  model.subgraphs[0].name = name;
  for (tflite::Subgraph& subgraph : model.subgraphs) at.model.subgraphs.push_back(std::move(subgraph));
  return index;
}

std::string body_name(const Lowering& at, const char* kind) {
  for (const ValueId output : at.node().outputs) {
    if (output != kNoValue) return fmt::format("{}_{}", at.graph().value(output).name, kind);
  }
  return kind;
}

std::vector<tflite::Tensor> results_of(const Lowering& at, int32_t index) {
  const tflite::Subgraph& body = at.model.subgraphs[static_cast<size_t>(index)];
  std::vector<tflite::Tensor> results;
  for (const int id : body.outputs) results.push_back(body.tensors[static_cast<size_t>(id)]);
  return results;
}

// Sets the node's outputs from an operator that has one for each result, and possibly more.
void emit(Lowering& at, Op op, const std::vector<TensorId>& inputs, const std::vector<tflite::Tensor>& results,
          tflite::Options options) {
  std::vector<TensorId> outputs;
  for (const tflite::Tensor& result : results) {
    outputs.push_back(at.add_tensor(result.type, {result.shape.begin(), result.shape.end()}));
  }
  at.subgraph().add_operator(op, inputs, outputs, std::move(options));
  if (at.output_count() > outputs.size()) at.refuse("a body that returns something other than tensors");
  for (size_t i = 0; i < at.output_count(); ++i) at.set_output(i, outputs[i]);
}

void refuse_other_results(const Lowering& at, const char* what) {
  at.refuse(what, "make both return tensors of one shape and type");
}

bool same_results(const std::vector<tflite::Tensor>& a, const std::vector<tflite::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].type != b[i].type || a[i].shape != b[i].shape) return false;
  }
  return true;
}

std::vector<TensorId> tensors_of(Lowering& at, const Operands& operands, const std::vector<bool>& stays) {
  std::vector<TensorId> tensors;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (known(at, operands[i]) != nullptr && !stays[i]) continue;
    const bool is_tensor =
        operands[i].is_value() && at.graph().value(operands[i].as_value()).kind == ValueKind::kTensor;
    if (!is_tensor) at.refuse("an operand that is a number", "wrap it with torch.tensor");
    tensors.push_back(at.tensor_of(operands[i].as_value()));
  }
  return tensors;
}

// (predicate, true body, false body, operands)
void lower_cond(Lowering& at) {
  const Argument& predicate = at.node().args[0].value;
  const bool is_tensor = predicate.is_value() && at.graph().value(predicate.as_value()).kind == ValueKind::kTensor;
  if (!is_tensor && !predicate.is_bool()) at.refuse("a decision on a dynamic size", "decide with an ordinary if");
  const Operands operands = operands_at(at, 3);
  const std::vector<bool> stays(operands.size(), false);
  const Graph then_graph = Closing(at, body_at(at, 1)).run(operands, stays);
  const Graph else_graph = Closing(at, body_at(at, 2)).run(operands, stays);
  std::vector<TensorId> inputs = {is_tensor ? at.cast(at.tensor_of(predicate.as_value()), Type::BOOL)
                                            : at.scalar(predicate.as_bool() ? 1 : 0, Type::BOOL)};
  for (const TensorId operand : tensors_of(at, operands, stays)) inputs.push_back(operand);
  const int32_t then_index = add_body(at, then_graph, body_name(at, "then"));
  const int32_t else_index = add_body(at, else_graph, body_name(at, "else"));
  const std::vector<tflite::Tensor> results = results_of(at, then_index);
  if (!same_results(results, results_of(at, else_index))) {
    refuse_other_results(at, "two bodies that return different shapes or types");
  }
  emit(at, Op::IF, inputs, results, tflite::IfOptions{then_index, else_index});
}

// Returns its own inputs from `first` on as well: what a loop carries without changing it.
Graph carrying(Graph body, size_t first) {
  std::vector<ValueId> carried;
  for (size_t i = first; i < body.inputs().size(); ++i) carried.push_back(body.inputs()[i].value);
  for (const ValueId value : carried) body.add_output({value, OutputKind::kUser, ""});
  return body;
}

// (condition, body, carried operands, additional operands)
void lower_while(Lowering& at) {
  Operands operands = operands_at(at, 2);
  const size_t carried = operands.size();
  for (const Argument& additional : operands_at(at, 3)) operands.push_back(additional);
  std::vector<bool> stays(operands.size(), false);
  std::fill(stays.begin(), stays.begin() + static_cast<std::ptrdiff_t>(carried), true);
  const Graph condition = Closing(at, body_at(at, 0)).run(operands, stays);
  const Graph body = carrying(Closing(at, body_at(at, 1)).run(operands, stays), carried);
  const std::vector<TensorId> inputs = tensors_of(at, operands, stays);
  const int32_t condition_index = add_body(at, condition, body_name(at, "condition"));
  const int32_t body_index = add_body(at, body, body_name(at, "body"));
  const std::vector<tflite::Tensor> results = results_of(at, body_index);
  std::vector<tflite::Tensor> given;
  for (const TensorId input : inputs) given.push_back(at.tensor(input));
  if (!same_results(results, given)) {
    refuse_other_results(at, "a loop whose body returns other shapes or types than it takes");
  }
  emit(at, Op::WHILE, inputs, results, tflite::WhileOptions{condition_index, body_index});
}

}  // namespace

void register_control_flow(Registry& registry) {
  registry.add({"higher_order.cond"}, lower_cond, "both branches return tensors of one shape and type");
  registry.add({"higher_order.while_loop"}, lower_while, "the body returns tensors of the shapes and types it takes");
}

}  // namespace tinyml::lowering
