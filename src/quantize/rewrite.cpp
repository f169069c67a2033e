#include "quantize/rewrite.h"

#include "quantize/layer_rules.h"
#include "quantize/module_names.h"
#include "tinyml/quantize.h"

namespace tinyml {

namespace quantization {

const std::string* note_of(const Node& node, std::string_view name) {
  const auto found = node.metadata.other.find(std::string(name));
  return found == node.metadata.other.end() ? nullptr : &found->second;
}

Metadata metadata_inside(const Node& replaced) {
  Metadata metadata;
  metadata.stack_trace = replaced.metadata.stack_trace;
  metadata.module_stack = enclosing_calls(replaced);
  metadata.other[std::string(kRewrittenFrom)] = replaced.op;
  return metadata;
}

}  // namespace quantization

Graph rewrite(const Graph& graph, const QuantizationScheme& scheme) {
  Graph result = graph;
  const auto wanted = [&](const Node& node) { return !quantization::is_ignored(result, scheme, node); };
  quantization::rewrite_glu(result, wanted);
  quantization::rewrite_addcmul(result, wanted);
  quantization::rewrite_recurrent(result, wanted);
  return result;
}

}  // namespace tinyml
