#include "quantize/insert_fake_quant.h"
#include "tinyml/evaluate.h"

namespace tinyml::quantization {

Tensor constant_value(const Graph& graph, ValueId value) {
  if (const Binding* binding = graph.binding_of(value)) return binding->data;
  const NodeId producer = graph.value(value).producer;
  TINYML_CHECK(producer != kNoNode);
  const Node& node = graph.node(producer);
  std::vector<ValueId> operands;
  std::vector<Tensor> inputs;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId operand) {
      for (const ValueId known : operands) {
        if (known == operand) return;
      }
      operands.push_back(operand);
      inputs.push_back(constant_value(graph, operand));
    });
  }
  const std::vector<Tensor> results = evaluate_node(graph, producer, inputs);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == value) return results[i];
  }
  report_internal_error("a value is among its producer's outputs", __FILE__, __LINE__);
}

}  // namespace tinyml::quantization
