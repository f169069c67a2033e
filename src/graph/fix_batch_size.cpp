#include "tinyml/fix_batch_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace tinyml {
namespace {

class Fixer {
 public:
  Fixer(const std::set<std::string>& symbols, int64_t batch) : symbols_(symbols), batch_(batch) {}

  Graph run(Graph graph) {
    std::map<ValueId, int64_t> numbers;
    for (const Input& input : graph.inputs()) {
      if (input.value != kNoValue) fix_value(graph, input.value, numbers);
    }
    for (const NodeId id : graph.nodes()) {
      for (size_t i = 0; i < graph.node(id).args.size(); ++i) {
        const Argument& old = graph.node(id).args[i].value;
        Argument fixed = fix_argument(old, numbers);
        if (!(fixed == old)) graph.set_arg(id, i, std::move(fixed));
      }
      const std::vector<ValueId> outputs = graph.node(id).outputs;
      for (const ValueId output : outputs) {
        if (output != kNoValue) fix_value(graph, output, numbers);
      }
    }
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      Output output = graph.outputs()[i];
      output.value = fix_argument(output.value, numbers);
      if (!(output.value == graph.outputs()[i].value)) graph.set_output(i, std::move(output));
    }
    graph.erase_dead_nodes();
    return graph;
  }

 private:
  bool is_known(const SymExpr& expression) const {
    if (expression.kind() == SymExpr::Kind::kOpaque) return false;
    if (expression.kind() == SymExpr::Kind::kSymbol) return symbols_.contains(expression.name());
    return std::all_of(expression.operands().begin(), expression.operands().end(),
                       [&](const auto& operand) { return is_known(*operand); });
  }

  Dim fixed(const Dim& dim) const {
    if (dim.is_static() || !is_known(*dim.expression())) return dim;
    return dim.expression()->evaluate([&](const std::string&) { return batch_; });
  }

  void fix_value(Graph& graph, ValueId id, std::map<ValueId, int64_t>& numbers) const {
    const Value& value = graph.value(id);
    if (value.kind == ValueKind::kSymInt && value.symbol && value.producer != kNoNode) {
      const Dim number = fixed(*value.symbol);
      if (number.is_static()) numbers[id] = number.hint();
    }
    if (value.kind != ValueKind::kTensor || value.tensor.is_static()) return;
    TensorType type = value.tensor;
    for (Dim& dim : type.shape) dim = fixed(dim);
    for (Dim& dim : type.strides) dim = fixed(dim);
    graph.set_tensor_type(id, std::move(type));
  }

  Argument fix_argument(const Argument& argument, const std::map<ValueId, int64_t>& numbers) {
    if (argument.is_value()) {
      const auto number = numbers.find(argument.as_value());
      return number == numbers.end() ? argument : Argument(number->second);
    }
    if (argument.is_list()) {
      Argument::List items;
      for (const Argument& item : argument.as_list()) items.push_back(fix_argument(item, numbers));
      return items;
    }
    if (const auto* body = std::get_if<std::shared_ptr<const Graph>>(&argument.data)) {
      return std::make_shared<const Graph>(run(**body));
    }
    return argument;
  }

  const std::set<std::string>& symbols_;
  int64_t batch_;
};

}  // namespace

Graph fix_batch_size(const Graph& graph, int64_t batch) {
  if (batch < 1) throw Error(fmt::format("a batch of {} examples", batch), "give 1 or more");
  std::set<std::string> symbols;
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue || graph.value(input.value).kind != ValueKind::kTensor) continue;
    const Shape& shape = graph.tensor_type(input.value).shape;
    if (shape.empty() || shape[0].is_static()) continue;
    if (shape[0].expression()->kind() == SymExpr::Kind::kSymbol) symbols.insert(shape[0].expression()->name());
  }
  if (symbols.empty()) {
    throw Error("no input has a dynamic first dimension", "export the model with dynamic_shapes, or leave it as it is");
  }
  return Fixer(symbols, batch).run(graph);
}

}  // namespace tinyml
