#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "tinyml/analysis.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

struct SubgraphInfo {
  std::string name;
  size_t units;
  std::vector<std::string> producers;
  std::vector<std::string> others;
};

std::vector<SubgraphInfo> subgraphs_of(const DependencyGraph& dependencies) {
  std::vector<SubgraphInfo> result;
  const auto names = [&](const std::vector<size_t>& axes) {
    std::vector<std::string> list;
    for (size_t axis : axes) list.push_back(dependencies.axes[axis].fqn);
    return list;
  };
  for (const Subgraph& subgraph : dependencies.subgraphs) {
    result.push_back({subgraph.name, subgraph.units.size(), names(subgraph.producers), names(subgraph.others)});
  }
  return result;
}

struct NodeCostInfo {
  std::string op;
  std::string module_path;
  int64_t macs;
  int64_t flops;
};

/// A cost together with names, for Python.
struct CostInfo {
  ModelCost cost;
  std::vector<NodeCostInfo> nodes;
};

CostInfo cost_of(const Graph& graph) {
  CostInfo info{count_cost(graph), {}};
  for (const NodeCost& node : info.cost.nodes) {
    const Node& source = graph.node(node.node);
    info.nodes.push_back({source.op, source.module_path(), node.cost.macs, node.cost.flops});
  }
  return info;
}

}  // namespace

void bind_analysis(nb::module_& module) {
  nb::class_<SubgraphInfo>(module, "Subgraph", "Channels that are made by the same layers and share one pruning ratio.")
      .def_ro("name", &SubgraphInfo::name, "The first layer that makes them.")
      .def_ro("units", &SubgraphInfo::units, "Number of sets of channels that can be removed one by one.")
      .def_ro("producers", &SubgraphInfo::producers, "Parameters that make the channels.")
      .def_ro("others", &SubgraphInfo::others, "Parameters that follow or read them.");
  nb::class_<PinnedAxis>(module, "PinnedAxis", "A layer's output channels that cannot be pruned, and why.")
      .def_ro("parameter", &PinnedAxis::fqn)
      .def_ro("dimension", &PinnedAxis::dim)
      .def_ro("pinned", &PinnedAxis::pinned)
      .def_ro("size", &PinnedAxis::size)
      .def_prop_ro("reason", [](const PinnedAxis& pinned) { return pinned.reason.what; })
      .def("__str__", [](const PinnedAxis& pinned) { return to_string(pinned); });
  nb::class_<DependencyGraph>(module, "DependencyGraph", "Which channels of which tensors depend on which.")
      .def_prop_ro("subgraphs", &subgraphs_of)
      .def_ro("pinned", &DependencyGraph::pinned)
      .def(
          "to_dot", [](const DependencyGraph& dependencies) { return to_dot(dependencies); }, "Graphviz text.")
      .def("__str__", [](const DependencyGraph& dependencies) { return to_string(dependencies); });
  module.def(
      "analyze_dependencies",
      [](const Graph& graph, bool whole_heads) { return analyze_dependencies(graph, {whole_heads}); }, nb::arg("graph"),
      nb::arg("whole_heads") = false, nb::call_guard<nb::gil_scoped_release>(),
      "Finds the dependencies between all channels of a graph. `whole_heads`: heads of attention go as a whole.");

  nb::class_<NodeCostInfo>(module, "NodeCost", "Arithmetic of one operator.")
      .def_ro("op", &NodeCostInfo::op)
      .def_ro("module_path", &NodeCostInfo::module_path)
      .def_ro("macs", &NodeCostInfo::macs)
      .def_ro("flops", &NodeCostInfo::flops);
  nb::class_<CostInfo>(module, "ModelCost", "Arithmetic and memory of a model.")
      .def_prop_ro(
          "macs", [](const CostInfo& info) { return info.cost.total.macs; }, "Multiply-accumulates.")
      .def_prop_ro("flops", [](const CostInfo& info) { return info.cost.total.flops; })
      .def_prop_ro("parameters", [](const CostInfo& info) { return info.cost.parameters; })
      .def_prop_ro("parameter_bytes", [](const CostInfo& info) { return info.cost.parameter_bytes; })
      .def_prop_ro("peak_activation_bytes", [](const CostInfo& info) { return info.cost.peak_activation_bytes; })
      .def_ro("nodes", &CostInfo::nodes, "Every operator, in execution order.")
      .def("__repr__", [](const CostInfo& info) {
        return fmt::format("ModelCost(macs={}, parameters={})", info.cost.total.macs, info.cost.parameters);
      });
  module.def("count_cost", &cost_of, nb::arg("graph"), "Counts arithmetic, parameters and memory from shapes.");
}

}  // namespace tinyml::python
