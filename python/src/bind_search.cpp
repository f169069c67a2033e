#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "arrays.h"
#include "bindings.h"
#include "latency.h"
#include "tinyml/precision_search.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

/// Calls a function that may run Python code; Ctrl-C there is no exception but ends the search, which returns what it
/// has.
template <typename Call>
auto until_interrupted(Call call) {
  try {
    return call();
  } catch (nb::python_error& error) {
    const nb::gil_scoped_acquire lock;
    if (!error.matches(PyExc_KeyboardInterrupt)) throw;
    throw SearchStopped();
  }
}

LatencyFunction interruptible(const LatencyFunction& function) {
  if (!function) return {};
  return [function](const Graph& graph) { return until_interrupted([&] { return function(graph); }); };
}

PrecisionSearchResult search(const Graph& graph, const std::string& config, const nb::list& samples,
                             const std::string& target, const nb::object& evaluate, const nb::object& latency,
                             bool allow_int16, bool allow_float, bool by_quality, size_t sensitivity_samples,
                             double seconds, const std::string& journal, const nb::object& on_progress) {
  std::vector<std::vector<Tensor>> tensors;
  for (const nb::handle sample : samples) {
    tensors.emplace_back();
    for (const nb::handle array : sample) tensors.back().push_back(to_tensor(array));
  }
  PrecisionSearchOptions options;
  read_search_target(target, options);
  options.quality = interruptible(latency_function(evaluate));  // the same kind: from a graph to a number
  options.cost = interruptible(latency_function(latency));
  options.allow_int16 = allow_int16;
  options.allow_float = allow_float;
  options.sensitivity_by_quality = by_quality;
  options.sensitivity_samples = sensitivity_samples;
  options.seconds = seconds;
  options.journal = journal;
  options.on_progress = [&](const SearchProgress& progress) {
    const nb::gil_scoped_acquire lock;
    return until_interrupted([&] {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!on_progress.is_none()) on_progress(progress.phase, progress.done, progress.total);
      return true;
    });
  };
  const nb::gil_scoped_release unlock;
  const QuantizationScheme scheme = parse_scheme(config);
  return search_precisions(rewrite(fuse(graph), scheme), scheme, tensors, options);
}

}  // namespace

void bind_search(nb::module_& module) {
  nb::class_<MeasuredAssignment>(module, "MeasuredAssignment", "What was measured of one assignment of precisions.")
      .def_ro("quality", &MeasuredAssignment::quality)
      .def_ro("cost", &MeasuredAssignment::cost);
  nb::class_<SearchedLayer>(module, "SearchedLayer", "A layer, its sensitivity and the precision chosen for it.")
      .def_prop_ro("name", [](const SearchedLayer& layer) { return layer.chosen.name; })
      .def_prop_ro("op", [](const SearchedLayer& layer) { return layer.chosen.op; })
      .def_prop_ro("precision", [](const SearchedLayer& layer) { return layer.chosen.precision; })
      .def_ro("value_noise", &SearchedLayer::value_noise, "Noise over signal when its result alone is rounded.")
      .def_ro("weight_noise", &SearchedLayer::weight_noise, "Noise over signal when its weight alone is rounded.");
  nb::class_<PrecisionSearchResult>(module, "PrecisionSearchResult", "What a search for precisions found.")
      .def_ro("layers", &PrecisionSearchResult::layers)
      .def_ro("text", &PrecisionSearchResult::text, "The layer-wise configuration.")
      .def_ro("chosen", &PrecisionSearchResult::chosen)
      .def_ro("configured", &PrecisionSearchResult::configured, "What the configuration alone gives.")
      .def_ro("float_cost", &PrecisionSearchResult::float_cost)
      .def_ro("measured", &PrecisionSearchResult::measured, "All assignments that were tried, by rising cost.")
      .def_ro("complete", &PrecisionSearchResult::complete, "False: stopped or out of time, the best until then.")
      .def("__str__", [](const PrecisionSearchResult& result) { return to_string(result); });
  module.def("search_precisions", &search, nb::arg("graph"), nb::arg("config"), nb::arg("samples"), nb::arg("target"),
             nb::arg("evaluate") = nb::none(), nb::arg("latency") = nb::none(), nb::arg("allow_int16") = true,
             nb::arg("allow_float") = true, nb::arg("by_quality") = false, nb::arg("sensitivity_samples") = 8,
             nb::arg("seconds") = std::numeric_limits<double>::infinity(), nb::arg("journal") = "",
             nb::arg("on_progress") = nb::none(), "Finds the precision of each layer of a float graph.");
}

}  // namespace tinyml::python
