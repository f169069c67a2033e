#include "quantize/rewrite.h"

#include <fmt/format.h>

#include "quantize/layer_rules.h"
#include "quantize/module_names.h"
#include "tinyml/quantize.h"
#include "tinyml/schema.h"

namespace tinyml {

namespace quantization {

Metadata metadata_inside(const Node& replaced) {
  Metadata metadata;
  metadata.stack_trace = replaced.metadata.stack_trace;
  metadata.module_stack = enclosing_calls(replaced);
  metadata.other[std::string(kRewrittenFrom)] = replaced.op;
  if (const size_t inside = metadata.module_stack.size(); inside < replaced.metadata.module_stack.size()) {
    const ModuleCall& layer = replaced.metadata.module_stack[inside];
    metadata.other[std::string(kRewrittenModule)] = layer.path;
    metadata.other[std::string(kRewrittenClass)] = layer.type;
  }
  return metadata;
}

ValueId add_before(Graph& graph, NodeId id, const char* op, std::vector<NamedArgument> args, TensorType type) {
  const ValueId value = graph.add_operator(op, make_args(op, std::move(args)), std::move(type), id, id);
  graph.metadata(graph.value(value).producer) = metadata_inside(graph.node(id));
  return value;
}

bool replace(Graph& graph, NodeId id, ValueId result) {
  if (result == kNoValue) return false;
  graph.replace_all_uses(graph.node(id).outputs.at(0), result);
  graph.erase_node(id);
  return true;
}

}  // namespace quantization

namespace {

/// The operators that a rule asks to rewrite, and the rules that no operator with a rewriting fits.
void rewrite_as_asked(Graph& graph, const QuantizationScheme& scheme) {
  using namespace quantization;
  std::vector<bool> used(scheme.layers.size());
  for (const NodeId id : graph.nodes()) {
    const LayerRule* last = nullptr;
    size_t index = 0;
    for (size_t i = 0; i < scheme.layers.size(); ++i) {
      const LayerRule& rule = scheme.layers[i];
      if ((rule.rewrite || rule.ignore || rule.integer) && rule_matches(rule, graph.node(id))) {
        last = &rule;
        index = i;
      }
    }
    if (last == nullptr || !last->rewrite) continue;
    const bool done = note_of(graph.node(id), kRewrittenFrom) != nullptr;  // as is the default
    if (done || rewrite_norm(graph, id) || rewrite_attention(graph, id)) used[index] = true;
  }
  std::vector<Diagnostic> problems;
  for (size_t i = 0; i < scheme.layers.size(); ++i) {
    const LayerRule& rule = scheme.layers[i];
    if (!rule.rewrite || used[i]) continue;
    problems.push_back({fmt::format("'{}' names no operator that can be rewritten", rule.pattern),
                        "",
                        {},
                        "layer_norm, rms_norm, group_norm, instance_norm and scaled_dot_product_attention can be (of "
                        "dynamic sizes not "
                        "all); lstm, gru, rnn, glu, addcmul and lerp always are"});
  }
  if (!problems.empty()) throw Error("The quantization configuration does not fit the model.", std::move(problems));
}

}  // namespace

Graph rewrite_recurrent_layers(const Graph& graph, const QuantizationScheme& scheme) {
  Graph result = graph;
  quantization::rewrite_recurrent(result,
                                  [&](const Node& node) { return !quantization::is_ignored(result, scheme, node); });
  return result;
}

Graph rewrite(const Graph& graph, const QuantizationScheme& scheme) {
  Graph result = graph;
  const auto wanted = [&](const Node& node) { return !quantization::is_ignored(result, scheme, node); };
  quantization::rewrite_glu(result, wanted);
  quantization::rewrite_silu(result, wanted);
  quantization::rewrite_addcmul(result, wanted);
  quantization::rewrite_recurrent(result, wanted);
  rewrite_as_asked(result, scheme);
  quantization::rewrite_infinite_masks(result, wanted);
  return result;
}

}  // namespace tinyml
