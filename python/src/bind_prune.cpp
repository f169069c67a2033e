#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "latency.h"
#include "tinyml/pruning_report.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

using Scores = std::map<std::string, std::vector<double>>;

ImportanceData importance_data(const nb::dict& gradients, const nb::list& batches, const Scores& scores,
                               const std::vector<double>& unit_scores) {
  ImportanceData data;
  for (const auto& [name, array] : gradients) data.gradients[nb::cast<std::string>(name)] = to_tensor(array);
  for (nb::handle batch : batches) {
    std::vector<Tensor>& inputs = data.batches.emplace_back();
    for (nb::handle array : nb::cast<nb::list>(batch)) inputs.push_back(to_tensor(array));
  }
  data.scores = scores;
  data.unit_scores = unit_scores;
  return data;
}

}  // namespace

void bind_prune(nb::module_& module) {
  nb::class_<Cut>(module, "Cut", "One dimension of a parameter, buffer or constant and what stays of it.")
      .def_ro("parameter", &Cut::fqn)
      .def_ro("dimension", &Cut::dim)
      .def_ro("size", &Cut::size, "Number of indices before, of all groups together.")
      .def_ro("groups", &Cut::groups, "Above 1: each group of rows has columns of its own.")
      .def_ro("kept", &Cut::kept);
  nb::class_<PruningPlan>(module, "PruningPlan", "What stays of a model.")
      .def_ro("metric", &PruningPlan::metric)
      .def_ro("cuts", &PruningPlan::cuts)
      .def_prop_ro(
          "whole_heads", [](const PruningPlan& plan) { return plan.dependencies.whole_heads; },
          "Whether heads of attention were removed as a whole.")
      .def("to_json", [](const PruningPlan& plan) { return to_json(plan); })
      .def_static("from_json", &parse_pruning_plan, nb::arg("json"))
      .def(
          "save", [](const PruningPlan& plan, const std::string& path) { write_pruning_plan(plan, path); },
          nb::arg("path"))
      .def_static("load", &read_pruning_plan, nb::arg("path"));

  module.def(
      "check_pruning_config", [](const std::string& config) { (void)parse_pruning_config(config); }, nb::arg("config"),
      "Raises tinyml.Error listing every problem of a configuration (YAML or JSON text).");
  module.def(
      "prunes_whole_heads",
      [](const std::string& config) { return parse_pruning_config(config).dependencies.whole_heads; },
      nb::arg("config"), "Whether a configuration removes heads of attention as a whole.");
  module.def(
      "plan_pruning",
      [](const Graph& graph, const DependencyGraph& dependencies, const std::string& config, const nb::dict& gradients,
         const nb::list& batches, const Scores& scores, const std::vector<double>& unit_scores,
         const nb::object& latency) {
        const ImportanceData data = importance_data(gradients, batches, scores, unit_scores);
        PruningConfig settings = parse_pruning_config(config);
        settings.latency = latency_function(latency);
        const nb::gil_scoped_release unlock;
        return plan_pruning(graph, dependencies, settings, data);
      },
      nb::arg("graph"), nb::arg("dependencies"), nb::arg("config") = "", nb::arg("gradients") = nb::dict(),
      nb::arg("batches") = nb::list(), nb::arg("scores") = Scores(), nb::arg("unit_scores") = std::vector<double>(),
      nb::arg("latency") = nb::none(), "Chooses what to remove.");
  module.def(
      "score_channels",
      [](const Graph& graph, const DependencyGraph& dependencies, const std::string& config, const nb::dict& gradients,
         const nb::list& batches, const Scores& scores) {
        const ImportanceData data = importance_data(gradients, batches, scores, {});
        const nb::gil_scoped_release unlock;
        return score_channels(graph, dependencies, parse_pruning_config(config), data);
      },
      nb::arg("graph"), nb::arg("dependencies"), nb::arg("config") = "", nb::arg("gradients") = nb::dict(),
      nb::arg("batches") = nb::list(), nb::arg("scores") = Scores(),
      "Importance of every group of channels that live and die together.");
  module.def(
      "producer_axes",
      [](const DependencyGraph& dependencies) {
        std::vector<std::tuple<std::string, int64_t, int64_t>> result;
        for (const BindingAxis& axis : dependencies.axes) {
          if (axis.role == AxisRole::kProducer) result.emplace_back(axis.fqn, axis.dim, axis.groups);
        }
        return result;
      },
      nb::arg("dependencies"), "Dimensions of weights that make channels: [(name, dimension, groups)].");
  module.def(
      "pruning_metric", [](const std::string& config) { return parse_pruning_config(config).metric; },
      nb::arg("config"), "The metric that a configuration (YAML or JSON text) names.");
  module.def(
      "latency_table_of", [](const std::string& config) { return parse_pruning_config(config).latency_table; },
      nb::arg("config"), "The latency table that a configuration names, or an empty string.");
  module.def(
      "apply_plan",
      [](const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan) {
        return apply_plan(graph, dependencies, plan);
      },
      nb::arg("graph"), nb::arg("dependencies"), nb::arg("plan"), nb::call_guard<nb::gil_scoped_release>(),
      "The pruned graph.");
  module.def(
      "mask_graph",
      [](const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan) {
        return mask_graph(graph, dependencies, plan);
      },
      nb::arg("graph"), nb::arg("dependencies"), nb::arg("plan"), nb::call_guard<nb::gil_scoped_release>(),
      "The graph with the removed channels' parameters set to zero.");
  module.def(
      "verify_plan",
      [](const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan, uint64_t seed,
         double tolerance) {
        VerifyPlanOptions options;
        options.seed = seed;
        options.tolerance = tolerance;
        verify_plan(graph, dependencies, plan, options);
      },
      nb::arg("graph"), nb::arg("dependencies"), nb::arg("plan"), nb::arg("seed") = 0, nb::arg("tolerance") = 1e-9,
      nb::call_guard<nb::gil_scoped_release>(),
      "Raises tinyml.Error unless the pruned graph equals the original with the removed channels masked.");
  module.def(
      "pruning_report",
      [](const Graph& before, const DependencyGraph& dependencies, const PruningPlan& plan, const Graph& after,
         std::optional<double> latency_before, std::optional<double> latency_after, const std::string& html_title) {
        PruningReport report = describe_pruning(before, dependencies, plan, after);
        report.latency_before = latency_before;
        report.latency_after = latency_after;
        return html_title.empty() ? to_string(report) : to_html(report, html_title);
      },
      nb::arg("before"), nb::arg("dependencies"), nb::arg("plan"), nb::arg("after"),
      nb::arg("latency_before") = nb::none(), nb::arg("latency_after") = nb::none(), nb::arg("html_title") = "",
      "What a plan did, as text; with a title, as an HTML page.");
  module.def(
      "sensitivity_plans",
      [](const Graph& graph, const DependencyGraph& dependencies, const std::string& config,
         const std::vector<double>& sparsities) {
        std::vector<std::tuple<std::string, double, double, PruningPlan>> result;
        for (auto& [entry, plan] : sensitivity_plans(graph, dependencies, parse_pruning_config(config), sparsities)) {
          result.emplace_back(entry.subgraph, entry.sparsity, entry.macs, std::move(plan));
        }
        return result;
      },
      nb::arg("graph"), nb::arg("dependencies"), nb::arg("config"), nb::arg("sparsities"),
      "Plans that prune one subgraph alone: [(subgraph, sparsity, share of the MACs that remains, plan)].");
  module.def(
      "module_sizes",
      [](const Graph& graph) {
        std::vector<std::pair<std::string, std::map<std::string, int64_t>>> result;
        for (ModuleSizes& sizes : module_sizes(graph)) result.emplace_back(sizes.path, sizes.attributes);
        return result;
      },
      nb::arg("graph"),
      "Attributes of modules that repeat sizes of their tensors: [(module path, {attribute: size})].");
  module.def(
      "size_arguments",
      [](const Graph& graph, const Graph& pruned) {
        std::vector<std::tuple<std::string, int64_t, int64_t>> result;
        for (const SizeArgument& size : size_arguments(graph, pruned)) {
          result.emplace_back(size.path, size.before, size.after);
        }
        return result;
      },
      nb::arg("graph"), nb::arg("pruned"),
      "Integers among the arguments of operators, before and after: [(module path, before, after)].");
}

}  // namespace tinyml::python
