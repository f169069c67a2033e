#include "lower/recurrent/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tinyml/evaluate.h"

namespace tinyml::lowering {
namespace {

struct NamedTensor {
  Tensor data;
  std::string name;
};

// A weight that the model does not compute from its inputs: what is bound to the graph, or what FakeQuants round it to
// (everything else that is constant is folded by now). Undefined if it is none.
NamedTensor constant_value(const Graph& graph, ValueId value) {
  if (const Binding* binding = graph.binding_of(value)) return {binding->data, binding->fqn};
  const NodeId producer = graph.value(value).producer;
  if (producer == kNoNode || !is_evaluable(graph.node(producer).op)) return {};
  if (graph.node(producer).op.find("fake_quant") == std::string::npos) return {};
  std::vector<ValueId> order;
  std::vector<Tensor> inputs;
  NamedTensor result;
  for (const NamedArgument& arg : graph.node(producer).args) {
    arg.value.for_each_value([&](ValueId input) {
      if (std::find(order.begin(), order.end(), input) != order.end()) return;
      NamedTensor constant = constant_value(graph, input);
      if (order.empty()) result.name = constant.name;
      order.push_back(input);
      inputs.push_back(std::move(constant.data));
    });
  }
  if (!std::all_of(inputs.begin(), inputs.end(), [](const Tensor& input) { return input.defined(); })) return {};
  const auto& outputs = graph.node(producer).outputs;
  const auto output = static_cast<size_t>(std::find(outputs.begin(), outputs.end(), value) - outputs.begin());
  result.data = evaluate_node(graph, producer, inputs).at(output);
  return result;
}

CellWeight read_weights(Lowering& at, const Argument& argument) {
  if (argument.is_none()) return {};
  const NamedTensor constant = constant_value(at.graph(), argument.as_value());
  if (constant.data.defined()) {
    const Tensor data = constant.data.to(ScalarType::kFloat32);
    return {data, constant.name, tflite::kNoTensor, data.shape()};
  }
  const TensorId computed = at.cast(at.tensor_of(argument.as_value()), Type::FLOAT32);
  return {{}, at.tensor(computed).name, computed, at.shape(computed)};
}

bool is_zero(Lowering& at, ValueId value) {
  if (const Binding* binding = at.graph().binding_of(value)) {
    const std::vector<double> values = binding->data.to_doubles();
    return std::all_of(values.begin(), values.end(), [](double x) { return x == 0; });
  }
  const NodeId producer = at.graph().value(value).producer;
  if (producer == kNoNode) return false;
  const std::string& op = at.graph().node(producer).op;
  return op == "aten.zeros.default" || op == "aten.zeros_like.default" || op == "aten.new_zeros.default";
}

StateArgument read_state(Lowering& at, ValueId value, bool batched) {
  if (is_zero(at, value)) return {tflite::kNoTensor, true};
  TensorId tensor = at.cast(at.tensor_of(value), Type::FLOAT32);
  if (!batched) tensor = at.reshape(tensor, {at.shape(tensor)[0], 1, at.shape(tensor)[1]});
  return {tensor, false};
}

}  // namespace

LayerArguments read_layer_arguments(Lowering& at, Cell cell) {
  LayerArguments arguments;
  arguments.input = at.input("input", Type::FLOAT32);
  const bool batched = at.rank(arguments.input) == 3;
  if (!batched) {
    const Sizes shape = at.shape(arguments.input);
    arguments.input = at.reshape(arguments.input, {shape[0], 1, shape[1]});
  }
  arguments.time_axis = batched && at.flag("batch_first") ? 1 : 0;
  arguments.layers = at.integer("num_layers");
  arguments.directions = at.flag("bidirectional") ? 2 : 1;
  if (at.shape(arguments.input)[static_cast<size_t>(arguments.time_axis)] == 0) at.refuse("a sequence without steps");

  const Argument::List& params = at.node().arg("params").as_list();
  const bool biased = at.flag("has_biases");
  const auto chains = static_cast<size_t>(arguments.layers * arguments.directions);
  const size_t each = chains == 0 ? 0 : params.size() / chains;
  const bool projected = each == (biased ? 5U : 3U);
  if (each * chains != params.size() || (!projected && each != (biased ? 4U : 2U))) {
    at.refuse(fmt::format("{} weights for {} layers and directions", params.size(), chains));
  }
  for (size_t i = 0; i < chains; ++i) {
    const Argument* first = params.data() + i * each;
    DirectionWeights weights{read_weights(at, first[0]), read_weights(at, first[1]), {}, {}, {}};
    if (biased) {
      weights.input_bias = read_weights(at, first[2]);
      weights.hidden_bias = read_weights(at, first[3]);
    }
    if (projected) weights.projection = read_weights(at, first[each - 1]);
    arguments.weights.push_back(std::move(weights));
  }

  const Argument& states = at.node().arg("hx");
  if (cell == Cell::kLstm) {
    arguments.hidden = read_state(at, states.as_list().at(0).as_value(), batched);
    arguments.memory = read_state(at, states.as_list().at(1).as_value(), batched);
  } else {
    arguments.hidden = read_state(at, states.as_value(), batched);
  }
  return arguments;
}

DirectionWeights read_cell_weights(Lowering& at) {
  const Node& node = at.node();
  return {read_weights(at, node.arg("w_ih")),
          read_weights(at, node.arg("w_hh")),
          read_weights(at, node.arg("b_ih")),
          read_weights(at, node.arg("b_hh")),
          {}};
}

}  // namespace tinyml::lowering
