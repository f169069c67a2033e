#include <nanobind/stl/filesystem.h>

#include "bindings.h"
#include "tinyml/archive.h"
#include "tinyml/functionalize.h"

namespace tinyml::python {

namespace nb = nanobind;

void bind_archive(nb::module_& module) {
  auto graph = nb::borrow<nb::class_<Graph>>(module.attr("Graph"));
  graph.def_static(
      "load",
      [](const std::filesystem::path& path, bool as_captured) {
        Graph result = read_pt2(path);
        return as_captured ? result : normalize(std::move(result));
      },
      nb::arg("path"), nb::kw_only(), nb::arg("as_captured") = false, nb::call_guard<nb::gil_scoped_release>(),
      "Reads a program saved by torch.export.save. The weights stay views of the file. The graph is normalized into "
      "single "
      "assignment form unless it is wanted as captured, in-place operators included.");
  graph.def(
      "save", [](const Graph& self, const std::filesystem::path& path) { write_pt2(self, path); }, nb::arg("path"),
      nb::call_guard<nb::gil_scoped_release>(), "Writes a program that torch.export.load loads, runs and trains.");
}

}  // namespace tinyml::python
