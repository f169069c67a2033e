#include <nanobind/stl/string.h>

#include <optional>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "tinyml/evaluate.h"
#include "tinyml/fold_constants.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

nb::list run(const Graph& graph, const nb::args& arrays, bool float64) {
  std::vector<Tensor> inputs;
  for (nb::handle array : arrays) inputs.push_back(to_tensor(array));
  EvaluateOptions options;
  options.float64 = float64;
  std::vector<Tensor> results;
  {
    const nb::gil_scoped_release unlock;
    results = evaluate(graph, inputs, options);
  }
  nb::list outputs;
  for (const Tensor& result : results) outputs.append(result.defined() ? to_array(result) : nb::none());
  return outputs;
}

}  // namespace

void bind_evaluate(nb::module_& module) {
  auto graph = nb::borrow<nb::class_<Graph>>(module.attr("Graph"));
  graph.def("evaluate", &run, nb::arg("arrays"), nb::arg("float64") = false,
            "Runs the model in inference mode on arrays, one an input; returns the list of outputs. With `float64`, "
            "everything floating-point is computed in float64. A reference, not a fast executor.");
  graph.def(
      "fold_constants",
      [](const Graph& self, bool fold_parameters) {
        return fold_constants(self, FoldOptions{.fold_parameters = fold_parameters});
      },
      nb::arg("fold_parameters") = false, nb::call_guard<nb::gil_scoped_release>(),
      "A copy in which operators on constants (and parameters, if asked) are replaced by their results.");
  module.def(
      "is_evaluable", [](const std::string& op) { return is_evaluable(op); }, nb::arg("op"),
      "Whether Graph.evaluate knows the operator.");
}

}  // namespace tinyml::python
