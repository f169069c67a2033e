#include <algorithm>
#include <map>
#include <set>

#include "tinyml/pruning_report.h"

namespace tinyml {
namespace {

std::map<NodeId, int64_t> macs_of(const ModelCost& cost) {
  std::map<NodeId, int64_t> result;
  for (const NodeCost& node : cost.nodes) result[node.node] = node.cost.macs;
  return result;
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
                               const Graph& after) {
  PruningReport report;
  report.before = count_cost(before);
  report.after = count_cost(after);
  report.pinned = dependencies.pinned;
  const std::map<NodeId, int64_t> macs_before = macs_of(report.before), macs_after = macs_of(report.after);
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
    const Binding* cut = after.find_binding(axis.fqn);
    if (own.empty() || cut == nullptr) continue;
    LayerChange layer;
    layer.name = axis.fqn;
    layer.subgraph = own.front();
    layer.reads.assign(reads[axis.value].begin(), reads[axis.value].end());
    layer.channels_before = static_cast<int64_t>(axis.units->size());
    layer.channels_after = std::count_if(axis.units->begin(), axis.units->end(), [&](UnitId unit) {
      return unit == kPinnedUnit || kept[static_cast<size_t>(unit)];
    });
    layer.parameters_before = before.find_binding(axis.fqn)->data.numel();
    layer.parameters_after = cut->data.numel();
    for (const NodeId user : before.value(axis.value).users) {
      if (const auto found = macs_before.find(user); found != macs_before.end()) layer.macs_before += found->second;
      if (const auto found = macs_after.find(user); found != macs_after.end()) layer.macs_after += found->second;
    }
    report.subgraphs[layer.subgraph].macs_before += layer.macs_before;
    report.subgraphs[layer.subgraph].macs_after += layer.macs_after;
    report.layers.push_back(std::move(layer));
  }
  return report;
}

}  // namespace tinyml
