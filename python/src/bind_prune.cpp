#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "latency.h"
#include "tinyml/atomic_file.h"
#include "tinyml/pruning_report.h"
#include "tinyml/recover.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

using Scores = std::map<std::string, std::vector<double>>;

Batches to_batches(const nb::list& batches) {
  Batches result;
  for (nb::handle batch : batches) {
    std::vector<Tensor>& inputs = result.emplace_back();
    for (nb::handle array : nb::cast<nb::list>(batch)) inputs.push_back(to_tensor(array));
  }
  return result;
}

ImportanceData importance_data(const nb::dict& gradients, const nb::list& batches, const Scores& scores,
                               const std::vector<double>& unit_scores) {
  ImportanceData data;
  for (const auto& [name, array] : gradients) data.gradients[nb::cast<std::string>(name)] = to_tensor(array);
  data.batches = to_batches(batches);
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
      .def_ro("removed_branches", &PruningPlan::removed_branches,
              "Residual branches that are taken out before the cuts.")
      .def("restrict", &restrict_plan, nb::arg("graph"), "The plan without cuts of what the graph does not have.")
      .def(
          "without_branches",
          [](const PruningPlan& plan, const std::vector<std::string>& names) {
            PruningPlan result = plan;
            result.removed_branches.insert(result.removed_branches.end(), names.begin(), names.end());
            return result;
          },
          nb::arg("names"), "The plan that also takes these residual branches out.")
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
      "unmaskable_axes",
      [](const DependencyGraph& dependencies) {
        std::vector<std::pair<std::string, int64_t>> result;
        for (const BindingAxis& axis : dependencies.axes) {
          if (!axis.maskable) result.emplace_back(axis.fqn, axis.dim);
        }
        return result;
      },
      nb::arg("dependencies"),
      "Dimensions whose removed entries a masked model keeps (divisors, directions): [(name, dimension)].");
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
      "verify_whole_plan", [](const Graph& graph, const PruningPlan& plan) { verify_plan(graph, plan); },
      nb::arg("graph"), nb::arg("plan"), nb::call_guard<nb::gil_scoped_release>(),
      "As verify_plan, of the graph without the plan's residual branches.");
  module.def(
      "pruning_report",
      [](const Graph& before, const DependencyGraph& dependencies, const PruningPlan& plan, const Graph& after,
         const nb::object& latency, const std::string& html_path, const std::string& html_title) {
        const PruningReport report = describe_pruning(before, dependencies, plan, after, latency_function(latency));
        if (!html_path.empty()) write_file(html_path, to_html(report, html_title));
        return to_string(report);
      },
      nb::arg("before"), nb::arg("dependencies"), nb::arg("plan"), nb::arg("after"), nb::arg("latency") = nb::none(),
      nb::arg("html_path") = "", nb::arg("html_title") = "",
      "What a plan did, as text; with a path, also written as an HTML page.");
  module.def("compose_plans", &compose_plans, nb::arg("first"), nb::arg("second"),
             "The plan that cuts at once as two in a row do.");
  module.def(
      "recalibrate_batch_norm",
      [](const Graph& graph, const nb::list& batches) {
        const Batches data = to_batches(batches);
        const nb::gil_scoped_release unlock;
        return recalibrate_batch_norm(graph, data);
      },
      nb::arg("graph"), nb::arg("batches"), "The graph with the statistics of its batch norms measured anew.");
  module.def(
      "reconstruct_layers",
      [](const Graph& original, const DependencyGraph& dependencies, const PruningPlan& plan, const Graph& pruned,
         const nb::list& batches, double ridge, int64_t positions) {
        const Batches data = to_batches(batches);
        ReconstructOptions options;
        options.ridge = ridge;
        options.positions = positions;
        Reconstruction result;
        {
          const nb::gil_scoped_release unlock;
          result = reconstruct_layers(original, dependencies, plan, pruned, data, options);
        }
        std::vector<std::tuple<std::string, double, double>> layers;
        for (const LayerReconstruction& layer : result.layers) {
          layers.emplace_back(layer.weight, layer.error_before, layer.error_after);
        }
        return std::pair(std::move(result.graph), std::move(layers));
      },
      nb::arg("original"), nb::arg("dependencies"), nb::arg("plan"), nb::arg("pruned"), nb::arg("batches"),
      nb::arg("ridge") = 1e-3, nb::arg("positions") = 0,
      "Fits layers that lost inputs to the original's outputs: (graph, [(weight, error before, after)]).");
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
