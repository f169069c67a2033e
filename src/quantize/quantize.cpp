#include "tinyml/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

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

/// The operators that read a matrix of parameters, or one that is computed from parameters alone.
std::vector<NodeId> readers_of_matrices(const Graph& graph) {
  std::set<ValueId> constant;
  for (const Binding& binding : graph.bindings()) constant.insert(binding.value);
  std::vector<NodeId> readers;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    bool depends = false;
    bool matrix = false;
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) {
        const bool known = constant.contains(value);
        depends = depends || !known;
        const TensorType& type = graph.tensor_type(value);
        matrix = matrix || (known && type.rank() >= 2 && type.type == ScalarType::kFloat32);
      });
    }
    if (!depends) constant.insert(node.outputs.begin(), node.outputs.end());
    if (depends && matrix) readers.push_back(id);
  }
  return readers;
}

FloatOperator float_weight(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  return {graph.value(node.outputs.at(0)).name, node.op, node.module_path(), node.source(),
          is_ignored(graph, scheme, node)
              ? "the configuration says so"
              : "no FakeQuant for these weights; the converter's precision dynamic_range stores "
                "those of recurrent layers and embeddings as int8"};
}

}  // namespace

Graph quantize(const Graph& graph, const QuantizationScheme& scheme, QuantizationReport* report) {
  check_not_quantized(graph);
  check_rules(graph, scheme);
  Placement placement = solve_placement(graph, scheme);
  Graph quantized = graph;
  insert_weights(quantized, placement.weights);
  insert_activations(quantized, placement.sites, placement.widths);
  if (report != nullptr) *report = std::move(placement.report);
  return quantized;
}

Graph quantize_weights(const Graph& graph, const QuantizationScheme& scheme, QuantizationReport* report) {
  check_not_quantized(graph);
  check_rules(graph, scheme);
  const Placement placement = solve_placement(graph, scheme);
  std::vector<WeightSite> weights;
  std::set<NodeId> quantized;
  for (const WeightSite& site : placement.weights) {
    const Node& node = graph.node(site.node);
    const Argument& weight = node.args[site.arg].value;
    // Operands of arithmetic stay float as it does, and so do the factors of batch norms.
    if (node.args[site.arg].name != "weight" || graph.tensor_type(weight.as_value()).rank() < 2) continue;
    weights.push_back(site);
    quantized.insert(site.node);
  }
  if (report != nullptr) {
    *report = {};
    report->quantized_operators = weights.size();
    for (const NodeId id : readers_of_matrices(graph)) {
      if (!quantized.contains(id)) report->float_operators.push_back(float_weight(graph, scheme, graph.node(id)));
    }
  }
  Graph result = graph;
  insert_weights(result, weights);
  return result;
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
