#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "arrays.h"
#include "bindings.h"
#include "tinyml/calibration.h"
#include "tinyml/drop_fake_quants.h"
#include "tinyml/equalize.h"
#include "tinyml/layer_config.h"
#include "tinyml/quantize.h"
#include "tinyml/refine.h"
#include "tinyml/remove_fake_quants.h"
#include "tinyml/round_biases.h"
#include "tinyml/share_scales.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

using Floats = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ConstFloats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const float> span_of(const ConstFloats& array) { return {array.data(), array.size()}; }

Observer resolve_observer(const std::string& name) {
  const std::optional<Observer> found = observer_named(name);
  if (!found) {
    throw Error("unknown observer '" + name + "'",
                "one of moving_average, min_max, mse (l2), percentile, kl (entropy)");
  }
  return *found;
}

std::pair<Graph, QuantizationReport> quantize_graph(const Graph& graph, const std::string& config, bool weights_only,
                                                    const std::string& layers) {
  QuantizationReport report;
  QuantizationScheme scheme = parse_scheme(config);
  Graph fused = fuse(graph);
  fused = weights_only ? rewrite_recurrent_layers(fused, scheme) : rewrite(fused, scheme);
  if (!layers.empty() && !scheme.ignore_layerwise_config) {
    scheme = sync_layer_config(layers, fused, scheme, weights_only);
  }
  Graph quantized = weights_only ? quantize_weights(fused, scheme, &report) : quantize(fused, scheme, &report);
  return {std::move(quantized), std::move(report)};
}

/// The new data of the bindings whose data is another than before, by name.
nb::dict changed_bindings(const Graph& before, const Graph& after) {
  nb::dict changed;
  for (const Binding& binding : after.bindings()) {
    const Binding* old = before.find_binding(binding.fqn);
    if (old->data.storage().data() == binding.data.storage().data()) continue;
    changed[binding.fqn.c_str()] = to_array(binding.data);
  }
  return changed;
}

/// The new data of the parameters that refine() changes, by name, and what became of each layer.
std::pair<nb::dict, std::vector<RefinedLayer>> refine_graph(const Graph& graph, const nb::list& samples,
                                                            bool round_weights, bool correct_bias) {
  std::vector<std::vector<Tensor>> tensors;
  for (const nb::handle sample : samples) {
    tensors.emplace_back();
    for (const nb::handle array : sample) tensors.back().push_back(to_tensor(array));
  }
  std::vector<RefinedLayer> layers;
  Graph refined;
  {
    const nb::gil_scoped_release unlock;
    refined = refine(graph, tensors, {round_weights, correct_bias}, &layers);
  }
  return {changed_bindings(graph, refined), std::move(layers)};
}

}  // namespace

void bind_quantize(nb::module_& module) {
  nb::class_<FloatOperator>(module, "FloatOperator", "An operator that stays float, and why.")
      .def_ro("name", &FloatOperator::name)
      .def_ro("op", &FloatOperator::op)
      .def_ro("module_path", &FloatOperator::module_path)
      .def_ro("reason", &FloatOperator::reason)
      .def_ro("macs", &FloatOperator::macs, "Multiply-accumulates.");
  nb::class_<QuantizationReport>(module, "QuantizationReport", "What became of a model's operators.")
      .def_ro("quantized_operators", &QuantizationReport::quantized_operators)
      .def_ro("float_operators", &QuantizationReport::float_operators)
      .def_ro("macs", &QuantizationReport::macs, "Multiply-accumulates of the model.")
      .def_ro("quantized_macs", &QuantizationReport::quantized_macs, "Of these, in operators on integers.")
      .def("__str__", &QuantizationReport::to_string);
  nb::class_<RefinedLayer>(module, "RefinedLayer", "What refinement did to one layer.")
      .def_ro("name", &RefinedLayer::name)
      .def_ro("module_path", &RefinedLayer::module_path)
      .def_ro("nearest_error", &RefinedLayer::nearest_error)
      .def_ro("rounded_error", &RefinedLayer::rounded_error)
      .def_ro("bias_corrected", &RefinedLayer::bias_corrected);
  module.def(
      "equalize_layers",
      [](const Graph& graph) {
        std::vector<std::pair<std::string, std::string>> pairs;
        Graph result = equalize_layers(graph, &pairs);
        nb::dict changed = changed_bindings(graph, result);
        return nb::make_tuple(std::move(result), std::move(changed), std::move(pairs));
      },
      nb::arg("graph"),
      "Cross-layer equalization: (graph, new data by parameter name, module paths of first and second layers).");
  module.def(
      "absorb_high_biases",
      [](const Graph& graph) {
        size_t absorbed = 0;
        Graph result = absorb_high_biases(graph, &absorbed);
        nb::dict changed = changed_bindings(graph, result);
        return nb::make_tuple(std::move(result), std::move(changed), absorbed);
      },
      nb::arg("graph"), "High bias absorption: (graph, new data by parameter name, number of channels).");
  module.def("runs_to_correct_biases", &runs_to_correct_biases, nb::arg("graph"), nb::arg("examples"));
  module.def("refine", &refine_graph, nb::arg("graph"), nb::arg("samples"), nb::arg("round_weights"),
             nb::arg("correct_bias"),
             "(new data by parameter name, list of RefinedLayer) of a calibrated graph; a sample is a list of arrays.");
  module.def(
      "check_quantization_config", [](const std::string& config) { (void)parse_scheme(config); }, nb::arg("config"),
      "Raise tinyml.Error listing every problem of a configuration (YAML or JSON text).");
  module.def("round_biases", &round_biases, nb::arg("graph"),
             "The graph with the biases of quantized layers on the integers that the device adds.");
  module.def(
      "share_scales", [](const Graph& graph) { return changed_bindings(graph, share_scales(graph)); }, nb::arg("graph"),
      "New data of the scales and zero points, by name, that parts of concatenations share with each other.");
  module.def(
      "remove_fake_quants",
      [](const Graph& graph, std::vector<std::string> observers, std::map<std::string, double> momentum,
         std::map<std::string, std::string> norms, std::map<std::string, double> dropout) {
        return remove_fake_quants(graph,
                                  {std::move(momentum), std::move(norms), std::move(dropout), std::move(observers)});
      },
      nb::arg("graph"), nb::arg("observers") = std::vector<std::string>(),
      nb::arg("momentum") = std::map<std::string, double>(), nb::arg("norms") = std::map<std::string, std::string>(),
      nb::arg("dropout") = std::map<std::string, double>(),
      "The float graph behind a fake-quantized one. observers: paths of FakeQuants and observers; momentum, norms: of "
      "folded batch norms by their layer's path, norms their own paths; dropout: of recurrent layers by path.");
  nb::class_<FakeQuantNode>(module, "FakeQuantNode", "A FakeQuant of a graph.")
      .def_ro("name", &FakeQuantNode::name)
      .def_ro("module_path", &FakeQuantNode::module_path)
      .def_ro("scale", &FakeQuantNode::scale, "Name of its scale's buffer; empty where the scale is a number.");
  module.def("list_fake_quants", &list_fake_quants, nb::arg("graph"), "The FakeQuants, in execution order.");
  module.def("drop_fake_quants", &drop_fake_quants, nb::arg("graph"), nb::arg("names"),
             "The graph without the FakeQuants of those names or module paths: what is beside them becomes float.");
  module.def("is_quantized", &is_quantized, nb::arg("graph"), "Whether a graph has a FakeQuant.");
  module.def("fuse", &fuse, nb::arg("graph"), "Fold batch norms into the layers before them.");
  module.def("quantize", &quantize_graph, nb::arg("graph"), nb::arg("config") = "", nb::arg("weights_only") = false,
             nb::arg("layers") = "",
             "Fuse, then add FakeQuants, of weights alone if so asked. layers: path of the layer-wise configuration, "
             "which is written where there is none. Returns (graph, report).");
  module.def(
      "observe_histogram",
      [](const ConstFloats& values, const Floats& counts, const Floats& low, const Floats& high) {
        observe_histogram(span_of(values), {counts.data(), counts.size()}, low.data()[0], high.data()[0]);
      },
      nb::arg("values").noconvert(), nb::arg("counts").noconvert(), nb::arg("low").noconvert(),
      nb::arg("high").noconvert(),
      "Add values to the histogram `counts` over [low[0], high[0]], which widens; all three change in place.");
  module.def(
      "choose_range",
      [](const ConstFloats& counts, double low, double high, int64_t quant_min, int64_t quant_max, bool symmetric,
         const std::string& observer, double percentile) {
        TensorScheme scheme;
        scheme.quant_min = quant_min;
        scheme.quant_max = quant_max;
        scheme.symmetric = symmetric;
        scheme.observer = resolve_observer(observer);
        scheme.percentile = percentile;
        return choose_range(span_of(counts), low, high, scheme);
      },
      nb::arg("counts").noconvert(), nb::arg("low"), nb::arg("high"), nb::arg("quant_min"), nb::arg("quant_max"),
      nb::arg("symmetric"), nb::arg("observer"), nb::arg("percentile"),
      "The range (low, high) that an observer chooses from its histogram.");
  module.def(
      "choose_scale",
      [](double low, double high, int64_t quant_min, int64_t quant_max, bool symmetric) {
        TensorScheme scheme;
        scheme.quant_min = quant_min;
        scheme.quant_max = quant_max;
        scheme.symmetric = symmetric;
        const ScaleZeroPoint chosen = choose_scale(low, high, scheme);
        return std::pair(chosen.scale, chosen.zero_point);
      },
      nb::arg("low"), nb::arg("high"), nb::arg("quant_min"), nb::arg("quant_max"), nb::arg("symmetric"),
      "(scale, zero point) for the range [low, high], widened to contain 0.");
  module.def(
      "resolve_observer",
      [](const std::string& name) {
        const Observer observer = resolve_observer(name);
        return std::pair(std::string(name_of(observer)), reads_histogram(observer));
      },
      nb::arg("name"), "(name of the observer, whether it reads a histogram), by any of its names.");
  module.def(
      "saturate_masked",
      [](const ConstFloats& values, const Floats& result, double margin) {
        const std::vector<float> saturated = saturate_masked(span_of(values), margin);
        std::copy(saturated.begin(), saturated.end(), result.data());
      },
      nb::arg("values").noconvert(), nb::arg("result").noconvert(), nb::arg("margin"),
      "Write to `result` the values with masked scores `margin` below the others, if there are any.");
}

}  // namespace tinyml::python
