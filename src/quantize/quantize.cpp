#include "tinyml/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "quantize/insert_fake_quant.h"
#include "quantize/layer_rules.h"
#include "quantize/lookups.h"
#include "quantize/placement.h"
#include "quantize/rewrite.h"
#include "quantize/weight_sites.h"
#include "tinyml/analysis.h"
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
    problems.push_back({fmt::format("'{}' names no module, class or operator of the model", rule.pattern),
                        "",
                        {},
                        suggestion(rule.pattern, paths, "print the model's modules and operators")});
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
    const bool between = note_of(node, kKeptFloat) != nullptr;  // of a recurrent layer's first step and its state
    if (depends && matrix && !between) readers.push_back(id);
  }
  return readers;
}

FloatOperator float_weight(const Graph& graph, const QuantizationScheme& scheme, const Node& node) {
  const bool ignored = is_ignored(graph, scheme, node);
  const char* reason = ignored ? "the configuration says so"
                               : "no FakeQuant for these weights; the converter's precision dynamic_range stores those "
                                 "of recurrent layers of very many steps as int8";
  return {
      graph.value(node.outputs.at(0)).name, node.op, node.module_path(), node.source(), reason, kNoNode, 0, ignored};
}

constexpr double kLeastQuantized = 0.9;
constexpr size_t kMostListed = 8;

void count_macs(const Graph& graph, QuantizationReport& report) {
  std::map<NodeId, int64_t> macs;
  for (const NodeCost& cost : count_cost(graph).nodes) {
    macs[cost.node] = cost.cost.macs;
    report.macs += cost.cost.macs;
  }
  report.quantized_macs = report.macs;
  for (FloatOperator& item : report.float_operators) {
    item.macs = macs[item.node];
    report.quantized_macs -= item.macs;
  }
}

/// What stays float by the configuration's own word is no surprise; the rest must not be much.
void check_coverage(const QuantizationReport& report) {
  int64_t total = report.macs;
  std::vector<const FloatOperator*> surprises;
  for (const FloatOperator& item : report.float_operators) {
    if (item.chosen) total -= item.macs;
    if (!item.chosen && item.macs > 0) surprises.push_back(&item);
  }
  const double share = total > 0 ? static_cast<double>(report.quantized_macs) / static_cast<double>(total) : 1.0;
  if (share >= kLeastQuantized) return;
  std::stable_sort(surprises.begin(), surprises.end(), [](const auto* a, const auto* b) { return a->macs > b->macs; });
  std::vector<Diagnostic> listed;
  for (const FloatOperator* item : surprises) {
    if (listed.size() == kMostListed) break;
    listed.push_back(
        {fmt::format("'{}' ({}) stays float with {:.1f} % of the multiply-accumulates: {}", item->name, item->op,
                     100.0 * static_cast<double>(item->macs) / static_cast<double>(total), item->reason),
         item->module_path, item->where, ""});
  }
  listed.back().remedy =
      "`allow_float: true` in the configuration accepts it; `ignore` names what is meant to stay float";
  throw Error(
      fmt::format("Only {:.1f} % of the multiply-accumulates would run on integers; at least {:.0f} % are wanted.",
                  100 * share, 100 * kLeastQuantized),
      std::move(listed));
}

}  // namespace

Graph quantize(const Graph& graph, const QuantizationScheme& scheme, QuantizationReport* report) {
  check_not_quantized(graph);
  check_rules(graph, scheme);
  Placement placement = solve_placement(graph, scheme);
  count_macs(graph, placement.report);
  if (!scheme.allow_float) check_coverage(placement.report);
  Graph quantized = graph;
  insert_weights(quantized, placement.weights);
  insert_activations(quantized, placement.sites, placement.widths);
  note_recurrent_modules(quantized);
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
    if (node.args[site.arg].name != "weight" || table_of_rows(graph, node) ||
        graph.tensor_type(weight.as_value()).rank() < 2)
      continue;
    weights.push_back(site);
    quantized.insert(site.node);
  }
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (!table_of_rows(graph, node) || is_ignored(graph, scheme, node)) continue;
    weights.push_back(row_site(graph, scheme, id));
    quantized.insert(id);
  }
  if (report != nullptr) {
    *report = {};
    // Steps of a recurrent layer count once.
    report->quantized_operators = static_cast<size_t>(std::count_if(quantized.begin(), quantized.end(), [&](NodeId id) {
      const std::string* leader = note_of(graph.node(id), kLeader);
      return leader == nullptr || *leader == graph.value(graph.node(id).outputs.at(0)).name;
    }));
    for (const NodeId id : readers_of_matrices(graph)) {
      if (!quantized.contains(id)) report->float_operators.push_back(float_weight(graph, scheme, graph.node(id)));
    }
  }
  Graph result = graph;
  insert_weights(result, weights);
  note_recurrent_modules(result);
  return result;
}

std::string QuantizationReport::to_string() const {
  std::string text =
      fmt::format("{} operators quantized, {} stay float\n", quantized_operators, float_operators.size());
  if (macs > 0) {
    text += fmt::format("{:.1f} % of the multiply-accumulates run on integers\n",
                        100.0 * static_cast<double>(quantized_macs) / static_cast<double>(macs));
  }
  for (const FloatOperator& item : float_operators) {
    text += fmt::format("  {} ({}", item.name, item.op);
    if (!item.module_path.empty()) text += fmt::format(", {}", item.module_path);
    if (!item.where.empty()) text += fmt::format(", {}:{}", item.where.file, item.where.line);
    text += fmt::format("): {}\n", item.reason);
  }
  return text;
}

}  // namespace tinyml
