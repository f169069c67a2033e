#include "lower/resolve_sizes.h"

#include <algorithm>
#include <set>

#include "lower/registry.h"
#include "tinyml/evaluate.h"

namespace tinyml::lowering {
namespace {

bool is_mask(const Graph& graph, ValueId value) {
  const ScalarType type = graph.tensor_type(value).type;
  return type == ScalarType::kBool || type == ScalarType::kUInt8;
}

// Whether the sizes of the result follow from those of the arguments and from constants.
bool has_known_sizes(const Graph& graph, const Node& node) {
  if (registry().find(node.op) == nullptr || !is_evaluable(node.op)) return false;
  if (node.op == "aten.repeat_interleave.self_Tensor") {
    return graph.binding_of(node.arg("repeats").as_value()) != nullptr;
  }
  if (node.op != "aten.index.Tensor" && node.op != "aten._unsafe_index.Tensor") return true;
  for (const Argument& item : node.arg("indices").as_list()) {
    if (!item.is_value()) continue;
    if (is_mask(graph, item.as_value()) && graph.binding_of(item.as_value()) == nullptr) return false;
  }
  return true;
}

// A value for each distinct argument, zeros where it is computed; false when one of them has no known size.
bool example_inputs(const Graph& graph, const Node& node, std::vector<Tensor>& inputs) {
  std::set<ValueId> seen;
  bool known = true;
  for (const NamedArgument& argument : node.args) {
    argument.value.for_each_value([&](ValueId value) {
      if (!known || !seen.insert(value).second) return;
      known = graph.value(value).kind == ValueKind::kTensor && graph.tensor_type(value).is_static();
      if (!known) return;
      const Binding* binding = graph.binding_of(value);
      const TensorType& type = graph.tensor_type(value);
      inputs.push_back(binding != nullptr ? binding->data : Tensor(type.type, type.sizes()));
    });
  }
  return known;
}

}  // namespace

bool depends_on_data(const Graph& graph, ValueId value) {
  if (value == kNoValue || graph.value(value).kind != ValueKind::kTensor) return false;
  const Shape& shape = graph.tensor_type(value).shape;
  return std::any_of(shape.begin(), shape.end(), [](const Dim& dim) { return dim.hint() < 0; });
}

Graph resolve_sizes(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    const bool is_open = std::any_of(node.outputs.begin(), node.outputs.end(),
                                     [&](ValueId output) { return depends_on_data(graph, output); });
    std::vector<Tensor> inputs;
    if (!is_open || !has_known_sizes(graph, node) || !example_inputs(graph, node, inputs)) continue;
    const std::vector<Tensor> results = evaluate_node(graph, id, inputs);
    for (size_t i = 0; i < results.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (output == kNoValue || !results[i].defined()) continue;
      const ScalarType type = graph.tensor_type(output).type;
      graph.set_tensor_type(output, TensorType::of(type, results[i].shape()));
    }
  }
  return graph;
}

}  // namespace tinyml::lowering
