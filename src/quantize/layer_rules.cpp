#include "quantize/layer_rules.h"

#include <algorithm>

#include "quantize/module_names.h"
#include "quantize/rewrite.h"
#include "tinyml/suggest.h"

namespace tinyml::quantization {

namespace {

/// "Conv2d" for the classes that quantization makes of it, QuantConv2d and ConvBn2d.
std::string original_class(std::string_view type) {
  std::string name{last_component(type)};
  if (!type.starts_with("tinyml.nn.")) return name;
  if (name.starts_with("Quant")) name.erase(0, 5);
  if (const size_t bn = name.find("Bn"); bn != std::string::npos) name.erase(bn, name.starts_with("Linear") ? 4 : 2);
  return name;
}

}  // namespace

bool rule_matches(const LayerRule& rule, const Node& node) {
  if (matches_glob(rule.pattern, node.op) || matches_glob(rule.pattern, base_name(node.op))) return true;
  if (const std::string* original = note_of(node, kRewrittenFrom)) {
    if (matches_glob(rule.pattern, *original) || matches_glob(rule.pattern, base_name(*original))) return true;
  }
  if (const std::string* path = note_of(node, kRewrittenModule)) {
    const std::string* type = note_of(node, kRewrittenClass);
    if (matches_glob(rule.pattern, *path)) return true;
    if (type != nullptr && matches_glob(rule.pattern, original_class(*type))) return true;
  }
  for (const ModuleCall& call : node.metadata.module_stack) {
    if (call.path.empty()) continue;
    if (matches_glob(rule.pattern, call.path) || matches_glob(rule.pattern, original_class(call.type))) return true;
  }
  return false;
}

const LayerRule* own_rule(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  if (scheme.by_result.empty() || node.outputs.empty() || node.outputs[0] == kNoValue) return nullptr;
  const std::string* leader = note_of(node, kLeader);
  const auto found = scheme.by_result.find(leader != nullptr ? *leader : graph.value(node.outputs[0]).name);
  return found == scheme.by_result.end() ? nullptr : &found->second;
}

bool is_asked_for(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  if (own_rule(graph, scheme, node) != nullptr) return true;
  return std::any_of(scheme.layers.begin(), scheme.layers.end(),
                     [&](const LayerRule& rule) { return (rule.integer || rule.rewrite) && rule_matches(rule, node); });
}

bool is_ignored(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  if (const LayerRule* own = own_rule(graph, scheme, node)) return own->ignore;
  bool ignored = false;
  for (const LayerRule& rule : scheme.layers) {
    if (rule_matches(rule, node)) ignored = rule.ignore;
  }
  return ignored;
}

TensorScheme with_bits(TensorScheme scheme, int bits, bool weight) {
  scheme.quant_max = (int64_t{1} << (bits - 1)) - 1;
  scheme.quant_min = weight ? -scheme.quant_max : -scheme.quant_max - 1;
  if (!weight && bits > 8) scheme.symmetric = true;
  return scheme;
}

TensorScheme activation_scheme(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  if (const LayerRule* own = own_rule(graph, scheme, node); own != nullptr && own->activation) return *own->activation;
  TensorScheme chosen = scheme.activation;
  for (const LayerRule& rule : scheme.layers) {
    if (rule.activation && rule_matches(rule, node)) chosen = *rule.activation;
  }
  return chosen;
}

TensorScheme weight_scheme(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  if (const LayerRule* own = own_rule(graph, scheme, node); own != nullptr && own->weight) return *own->weight;
  TensorScheme chosen = scheme.weight;
  for (const LayerRule& rule : scheme.layers) {
    if (rule.weight && rule_matches(rule, node)) chosen = *rule.weight;
  }
  return chosen;
}

}  // namespace tinyml::quantization
