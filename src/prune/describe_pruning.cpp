#include <algorithm>
#include <map>
#include <set>

#include "prune/extract_layer.h"
#include "tinyml/pruning_report.h"

namespace tinyml {
namespace {

std::map<NodeId, NodeCost> by_node(const ModelCost& cost) {
  std::map<NodeId, NodeCost> result;
  for (const NodeCost& node : cost.nodes) result[node.node] = node;
  return result;
}

/// What the operators that read a layer's weight cost together; all zero if there is no such weight any more.
struct LayerCost {
  int64_t macs = 0, parameters = 0, peak = 0;
  std::optional<double> seconds;
};
LayerCost cost_of(const Graph& graph, const std::map<NodeId, NodeCost>& nodes, const std::string& weight,
                  const LatencyFunction& latency) {
  LayerCost result;
  const Binding* binding = graph.find_binding(weight);
  if (latency) result.seconds = 0.0;
  if (binding == nullptr) return result;
  result.parameters = binding->data.numel();
  for (const NodeId user : graph.value(binding->value).users) {
    const auto found = nodes.find(user);
    if (found == nodes.end()) continue;
    result.macs += found->second.cost.macs;
    result.peak = std::max(result.peak, found->second.live_bytes);
    if (!result.seconds) continue;
    try {
      const std::optional<Graph> layer = prune::extract_layer(graph, user);
      if (layer)
        *result.seconds += latency(*layer);
      else
        result.seconds.reset();
    } catch (const Error&) {
      result.seconds.reset();
    }
  }
  return result;
}

void add_seconds(std::optional<double>& sum, const std::optional<double>& seconds, bool is_first) {
  if (is_first) sum = 0.0;
  if (sum && seconds)
    *sum += *seconds;
  else
    sum.reset();
}

std::vector<size_t> subgraphs_of(const DependencyGraph& dependencies, const BindingAxis& axis) {
  std::set<size_t> result;
  for (const UnitId unit : *axis.units) {
    if (unit != kPinnedUnit) result.insert(dependencies.subgraph_of_unit[static_cast<size_t>(unit)]);
  }
  return {result.begin(), result.end()};
}

}  // namespace

PruningReport describe_pruning(const Graph& before, const DependencyGraph& dependencies, const PruningPlan& plan,
                               const Graph& after, const LatencyFunction& latency) {
  PruningReport report;
  report.before = count_cost(before);
  report.after = count_cost(after);
  report.pinned = dependencies.pinned;
  const std::map<NodeId, NodeCost> nodes_before = by_node(report.before), nodes_after = by_node(report.after);
  if (latency) {
    report.latency_before = latency(before);
    report.latency_after = latency(after);
  }
  const std::vector<bool> kept = kept_units(before, dependencies, plan);
  for (const Subgraph& subgraph : dependencies.subgraphs) {
    SubgraphChange& change = report.subgraphs.emplace_back();
    change.name = subgraph.name;
    change.units_before = static_cast<int64_t>(subgraph.units.size());
    change.units_after = std::count_if(subgraph.units.begin(), subgraph.units.end(),
                                       [&](UnitId unit) { return kept[static_cast<size_t>(unit)]; });
  }
  std::map<ValueId, std::set<size_t>> reads;
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kConsumer) continue;
    for (const size_t subgraph : subgraphs_of(dependencies, axis)) reads[axis.value].insert(subgraph);
  }
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kProducer) continue;
    const std::vector<size_t> own = subgraphs_of(dependencies, axis);
    if (own.empty()) continue;
    LayerChange layer;
    layer.name = axis.fqn;
    layer.subgraph = own.front();
    layer.reads.assign(reads[axis.value].begin(), reads[axis.value].end());
    layer.channels_before = static_cast<int64_t>(axis.units->size());
    layer.channels_after = std::count_if(axis.units->begin(), axis.units->end(), [&](UnitId unit) {
      return unit == kPinnedUnit || kept[static_cast<size_t>(unit)];
    });
    if (after.find_binding(axis.fqn) == nullptr) layer.channels_after = 0;
    SubgraphChange& subgraph = report.subgraphs[layer.subgraph];
    const bool is_first = subgraph.parameters_before == 0;
    const LayerCost old = cost_of(before, nodes_before, axis.fqn, latency);
    const LayerCost now = cost_of(after, nodes_after, axis.fqn, latency);
    layer.parameters_before = old.parameters, layer.parameters_after = now.parameters;
    layer.macs_before = old.macs, layer.macs_after = now.macs;
    subgraph.parameters_before += old.parameters, subgraph.parameters_after += now.parameters;
    subgraph.macs_before += old.macs, subgraph.macs_after += now.macs;
    subgraph.peak_before = std::max(subgraph.peak_before, old.peak);
    subgraph.peak_after = std::max(subgraph.peak_after, now.peak);
    if (latency) {
      add_seconds(subgraph.seconds_before, old.seconds, is_first);
      add_seconds(subgraph.seconds_after, now.seconds, is_first);
    }
    report.layers.push_back(std::move(layer));
  }
  // A subgraph whose layers all went with a residual branch has no channels left.
  for (size_t i = 0; i < report.subgraphs.size(); ++i) {
    const auto is_left = [&](const LayerChange& layer) { return layer.subgraph == i && layer.channels_after > 0; };
    if (std::none_of(report.layers.begin(), report.layers.end(), is_left)) report.subgraphs[i].units_after = 0;
  }
  return report;
}

}  // namespace tinyml
