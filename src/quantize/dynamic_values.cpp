#include "quantize/dynamic_values.h"

#include "quantize/rewrite.h"

namespace tinyml::quantization {

std::vector<bool> find_dynamic_values(const Graph& graph) {
  std::vector<bool> dynamic(graph.value_limit());
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) dynamic[index_of(input.value)] = true;
  }
  for (const NodeId id : graph.nodes()) {
    bool any = note_of(graph.node(id), kQuantizer) != nullptr;
    for (const NamedArgument& arg : graph.node(id).args) {
      arg.value.for_each_value([&](ValueId value) { any = any || dynamic[index_of(value)]; });
    }
    for (const ValueId output : graph.node(id).outputs) {
      if (output != kNoValue) dynamic[index_of(output)] = any;
    }
  }
  return dynamic;
}

}  // namespace tinyml::quantization
