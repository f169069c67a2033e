#include "quantize/fake_quant_behind.h"

#include "graph/node_notes.h"
#include "quantize/tie_rules.h"

namespace tinyml::quantization {

const Node* fake_quant_behind(const Graph& graph, ValueId value) {
  for (;;) {
    const NodeId producer = graph.value(value).producer;
    if (producer == kNoNode) return nullptr;
    const Node& node = graph.node(producer);
    if (is_fake_quantize(node)) return &node;
    const Tie tie = tie_rule(graph, node).tie;
    const Argument* moved = &node.args.at(0).value;
    const bool alone = tie == Tie::kConcat && moved->is_list() && moved->as_list().size() == 1;
    if (alone) moved = &moved->as_list()[0];
    if ((tie != Tie::kMove && !alone) || !moved->is_value()) return nullptr;
    value = moved->as_value();
  }
}

}  // namespace tinyml::quantization
