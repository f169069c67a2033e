#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "tinyml/quantize.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

using Floats = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ConstFloats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const float> span_of(const ConstFloats& array) { return {array.data(), array.size()}; }

std::pair<Graph, QuantizationReport> quantize_graph(const Graph& graph, const std::string& config) {
  QuantizationReport report;
  Graph quantized = quantize(fuse(graph), parse_scheme(config), &report);
  return {std::move(quantized), std::move(report)};
}

}  // namespace

void bind_quantize(nb::module_& module) {
  nb::class_<FloatOperator>(module, "FloatOperator", "An operator that stays float, and why.")
      .def_ro("name", &FloatOperator::name)
      .def_ro("op", &FloatOperator::op)
      .def_ro("module_path", &FloatOperator::module_path)
      .def_ro("reason", &FloatOperator::reason);
  nb::class_<QuantizationReport>(module, "QuantizationReport", "What became of a model's operators.")
      .def_ro("quantized_operators", &QuantizationReport::quantized_operators)
      .def_ro("float_operators", &QuantizationReport::float_operators)
      .def("__str__", &QuantizationReport::to_string);
  module.def(
      "check_quantization_config", [](const std::string& config) { (void)parse_scheme(config); }, nb::arg("config"),
      "Raise tinyml.Error listing every problem of a configuration (YAML or JSON text).");
  module.def("fuse", &fuse, nb::arg("graph"), "Fold batch norms into the layers before them.");
  module.def("quantize", &quantize_graph, nb::arg("graph"), nb::arg("config") = "",
             "Fuse, then add FakeQuants. Returns (graph, report).");
  module.def(
      "observe_histogram",
      [](const ConstFloats& values, const Floats& counts, const Floats& low, const Floats& high) {
        observe_histogram(span_of(values), {counts.data(), counts.size()}, low.data()[0], high.data()[0]);
      },
      nb::arg("values").noconvert(), nb::arg("counts").noconvert(), nb::arg("low").noconvert(),
      nb::arg("high").noconvert(),
      "Add values to the histogram `counts` over [low[0], high[0]], which widens; all three change in place.");
  module.def(
      "best_range",
      [](const ConstFloats& counts, double low, double high, int64_t quant_min, int64_t quant_max, bool symmetric) {
        TensorScheme scheme;
        scheme.quant_min = quant_min;
        scheme.quant_max = quant_max;
        scheme.symmetric = symmetric;
        return best_range(span_of(counts), low, high, scheme);
      },
      nb::arg("counts").noconvert(), nb::arg("low"), nb::arg("high"), nb::arg("quant_min"), nb::arg("quant_max"),
      nb::arg("symmetric"), "The range (low, high) of least squared quantization error over a histogram.");
}

}  // namespace tinyml::python
