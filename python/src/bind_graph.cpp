#include "bindings.h"
#include "tinyml/graph.h"

namespace tinyml::python {

namespace nb = nanobind;

void bind_graph(nb::module_& module) {
  nb::class_<Graph>(module, "Graph", "A captured model: operators over values, with its weights.")
      .def("__copy__", [](const Graph& graph) { return Graph(graph); })
      .def(
          "copy", [](const Graph& graph) { return Graph(graph); },
          "A copy that shares the weights until one is written.");
}

}  // namespace tinyml::python
