#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "bindings.h"
#include "latency.h"
#include "tinyml/profile.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

double measure_bytes(const nb::object& measure, const tflite::Model& model) {
  const std::vector<std::byte> file = tflite::serialize_tflite(model);
  const nb::gil_scoped_acquire lock;
  return nb::cast<double>(measure(nb::bytes(file.data(), file.size())));
}

}  // namespace

LatencyFunction latency_function(const nb::object& latency) {
  if (latency.is_none()) return {};
  if (nb::isinstance<LatencyTable>(latency)) return table_latency(nb::cast<LatencyTable>(latency));
  // Copies of the function share one reference, which is given up under the interpreter's lock.
  const std::shared_ptr<nb::object> function(new nb::object(latency), [](nb::object* object) {
    const nb::gil_scoped_acquire lock;
    delete object;
  });
  return [function](const Graph& graph) {
    const nb::gil_scoped_acquire lock;
    return nb::cast<double>((*function)(graph));
  };
}

void bind_profile(nb::module_& module) {
  nb::class_<LatencyTable>(module, "LatencyTable", "What operators take on a device, by their shapes.")
      .def_static("load", &read_latency_table, nb::arg("path"))
      .def_static("from_json", &parse_latency_table, nb::arg("text"))
      .def(
          "save", [](const LatencyTable& table, const std::string& path) { write_latency_table(table, path); },
          nb::arg("path"))
      .def("to_json", [](const LatencyTable& table) { return to_json(table); })
      .def(
          "estimate", [](const LatencyTable& table, const Graph& graph) { return table.estimate(graph); },
          nb::arg("graph"), nb::call_guard<nb::gil_scoped_release>(), "Seconds that one inference takes.")
      .def("__len__", &LatencyTable::size)
      .def_rw("device", &LatencyTable::device)
      .def_rw("scale", &LatencyTable::scale, "Whole models against the sum of their operators.");
  module.def(
      "profile",
      [](const Graph& graph, const nb::object& measure, const std::vector<double>& widths, int rounds, int64_t multiple,
         bool whole_heads) {
        ProfileOptions options;
        if (!widths.empty()) options.widths = widths;
        options.rounds = rounds;
        options.multiple = multiple;
        options.dependencies.whole_heads = whole_heads;
        return profile(
            graph, [&](const tflite::Model& model) { return measure_bytes(measure, model); }, options);
      },
      nb::arg("graph"), nb::arg("measure"), nb::arg("widths") = std::vector<double>(), nb::arg("rounds") = 8,
      nb::arg("multiple") = 1, nb::arg("whole_heads") = false,
      "Measures every operator of a model in the shapes that pruning gives it.");
}

}  // namespace tinyml::python
