#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "latency.h"
#include "tinyml/branches.h"
#include "tinyml/pruners.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

/// A Python object with methods of the host's names; those it lacks stay empty.
PruningHost make_host(const nb::object& object) {
  PruningHost host;
  host.graph = [object] { return nb::cast<Graph>(object.attr("graph")()); };
  host.cut = [object](const PruningPlan& plan) { object.attr("cut")(plan); };
  host.remove_branches = [object](const std::vector<std::string>& names) { object.attr("remove_branches")(names); };
  host.train = [object](const TrainingSegment& segment) { object.attr("train")(segment); };
  host.save = [object](const std::string& path) { object.attr("save")(path); };
  host.load = [object](const std::string& path) { object.attr("load")(path); };
  host.fork = [object] { return make_host(object.attr("fork")()); };
  if (nb::cast<bool>(object.attr("can_evaluate"))) {
    host.evaluate = [object] { return nb::cast<double>(object.attr("evaluate")()); };
  }
  if (nb::cast<bool>(object.attr("measures_importance"))) {
    host.importance = [object] { return nb::cast<std::vector<double>>(object.attr("importance")()); };
  }
  host.penalize = [object](const std::map<std::string, Tensor>& anchors, double rho) {
    nb::dict arrays;
    for (const auto& [name, anchor] : anchors) arrays[nb::str(name.c_str())] = to_array(anchor);
    object.attr("penalize")(arrays, rho);
  };
  host.anchors = [object] {
    std::map<std::string, Tensor> result;
    for (const auto& [name, array] : nb::cast<nb::dict>(object.attr("anchors")())) {
      result.emplace(nb::cast<std::string>(name), to_tensor(array));
    }
    return result;
  };
  return host;
}

template <typename Config>
auto runner(Config (*parse)(const std::string&), void (*run)(const Config&, const PruningHost&, const JournalPath&)) {
  return [parse, run](const std::string& config, const nb::object& host, const std::string& journal,
                      const nb::object& latency) {
    Config settings = parse(config);
    settings.pruning.latency = latency_function(latency);
    run(settings, make_host(host), journal);
  };
}

}  // namespace

void bind_pruners(nb::module_& module) {
  nb::class_<ResidualBranch>(module, "ResidualBranch", "A residual branch with an identity shortcut.")
      .def_ro("name", &ResidualBranch::name)
      .def_ro("macs", &ResidualBranch::macs, "Multiply-accumulates that go with it.")
      .def_ro("modules", &ResidualBranch::modules, "Leaf modules all of whose operators lie in it, in order.");
  module.def("find_residual_branches", &find_residual_branches, nb::arg("graph"),
             "Residual branches that can be removed whole.");
  module.def("remove_branches", &remove_branches, nb::arg("graph"), nb::arg("names"),
             "The graph without these residual branches.");

  nb::class_<TrainingSegment>(module, "TrainingSegment", "One stretch of training between two cuts.")
      .def_ro("index", &TrainingSegment::index, "0, 1, ... in one run.")
      .def_ro("begin", &TrainingSegment::begin, "Where it starts, as a share of the whole training.")
      .def_ro("end", &TrainingSegment::end, "Where it ends.")
      .def_ro("final", &TrainingSegment::final, "No cut follows: let the learning rate fall.")
      .def_ro("candidate", &TrainingSegment::candidate, "A short finetune of one of several candidates.");
  module.def("run_gradual", runner(&parse_gradual_config, &run_gradual), nb::arg("config"), nb::arg("host"),
             nb::arg("journal") = "", nb::arg("latency") = nb::none());
  module.def("run_admm", runner(&parse_admm_config, &run_admm), nb::arg("config"), nb::arg("host"),
             nb::arg("journal") = "", nb::arg("latency") = nb::none());
  module.def("run_netadapt", runner(&parse_netadapt_config, &run_netadapt), nb::arg("config"), nb::arg("host"),
             nb::arg("journal") = "", nb::arg("latency") = nb::none());
  module.def(
      "axis_units",
      [](const DependencyGraph& dependencies) {
        nb::list result;
        for (const BindingAxis& axis : dependencies.axes) {
          if (axis.role == AxisRole::kConsumer) continue;
          result.append(nb::make_tuple(axis.fqn, axis.dim, axis.groups, axis.role == AxisRole::kProducer, *axis.units));
        }
        return result;
      },
      nb::arg("dependencies"),
      "Dimensions of tensors that make or follow channels: [(name, dimension, groups, makes them, unit of each "
      "index)].");
  module.def(
      "unit_count", [](const DependencyGraph& dependencies) { return dependencies.unit_count; },
      nb::arg("dependencies"), "Number of groups of channels that live and die together.");
}

}  // namespace tinyml::python
