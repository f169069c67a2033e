#include "tinyml/quantize.h"

#include <fmt/format.h>

#include <algorithm>

#include "quantize/insert_fake_quant.h"
#include "quantize/layer_rules.h"
#include "quantize/placement.h"
#include "tinyml/suggest.h"

namespace tinyml {
namespace {

using namespace quantization;

void check_not_quantized(const Graph& graph) {
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op.starts_with("aten.fake_quantize") || node.op.find("_obs_fake_quant") != std::string::npos) {
      throw Error({"the model has FakeQuants already", node.module_path(), node.source(),
                   "quantize the float model, or edit the generated code of the quantized one"});
    }
  }
}

/// A rule that holds for nothing is a mistake in the configuration.
void check_rules(const Graph& graph, const QuantizationScheme& scheme) {
  std::vector<Diagnostic> problems;
  for (const LayerRule& rule : scheme.layers) {
    std::vector<std::string> paths;
    bool used = false;
    for (const NodeId id : graph.nodes()) {
      const Node& node = graph.node(id);
      used = used || rule_matches(rule, node);
      for (const ModuleCall& call : node.metadata.module_stack) paths.push_back(call.path);
    }
    if (used) continue;
    const std::string nearest = nearest_name(rule.pattern, paths);
    problems.push_back(
        {fmt::format("'{}' names no module, class or operator of the model", rule.pattern),
         "",
         {},
         nearest.empty() ? "print the model's modules and operators" : fmt::format("is '{}' meant?", nearest)});
  }
  if (!problems.empty()) throw Error("The quantization configuration does not fit the model.", std::move(problems));
}

}  // namespace

Graph quantize(const Graph& graph, const QuantizationScheme& scheme, QuantizationReport* report) {
  check_not_quantized(graph);
  check_rules(graph, scheme);
  Placement placement = solve_placement(graph, scheme);
  Graph quantized = graph;
  insert_weights(quantized, placement.weights);
  insert_activations(quantized, placement.sites);
  if (report != nullptr) *report = std::move(placement.report);
  return quantized;
}

std::string QuantizationReport::to_string() const {
  std::string text =
      fmt::format("{} operators quantized, {} stay float\n", quantized_operators, float_operators.size());
  for (const FloatOperator& item : float_operators) {
    text += fmt::format("  {} ({}", item.name, item.op);
    if (!item.module_path.empty()) text += fmt::format(", {}", item.module_path);
    if (!item.where.empty()) text += fmt::format(", {}:{}", item.where.file, item.where.line);
    text += fmt::format("): {}\n", item.reason);
  }
  return text;
}

}  // namespace tinyml
