#include <nanobind/stl/filesystem.h>

#include "bindings.h"
#include "tinyml/archive.h"

namespace tinyml::python {

namespace nb = nanobind;

void bind_archive(nb::module_& module) {
  auto graph = nb::borrow<nb::class_<Graph>>(module.attr("Graph"));
  graph.def_static(
      "load", [](const std::filesystem::path& path) { return read_pt2(path); }, nb::arg("path"),
      nb::call_guard<nb::gil_scoped_release>(),
      "Reads a program saved by torch.export.save. The weights stay views of the file.");
  graph.def(
      "save", [](const Graph& self, const std::filesystem::path& path) { write_pt2(self, path); }, nb::arg("path"),
      nb::call_guard<nb::gil_scoped_release>(), "Writes a program that torch.export.load loads, runs and trains.");
}

}  // namespace tinyml::python
