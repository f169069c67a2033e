#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>
#include <tuple>

#include "arrays.h"
#include "bindings.h"
#include "tinyml/explain.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

nb::bytes to_bytes(const std::vector<std::byte>& data) { return nb::bytes(data.data(), data.size()); }

std::vector<std::byte> from_bytes(const nb::bytes& data) {
  std::vector<std::byte> result(data.size());
  std::memcpy(result.data(), data.c_str(), data.size());
  return result;
}

/// `run(contents of a file, {input: bytes}) -> {output: bytes}`.
Explanation explain_file(const nb::bytes& contents, const Graph& graph, const nb::list& samples,
                         const nb::callable& run, const std::vector<KernelRounding>& roundings) {
  auto owner = std::make_shared<std::vector<std::byte>>(from_bytes(contents));
  const tflite::Model file = tflite::read_tflite(*owner, owner);
  std::vector<std::vector<Tensor>> runs;
  for (const nb::handle sample : samples) {
    std::vector<Tensor> inputs;
    for (const nb::handle array : nb::cast<nb::sequence>(sample)) inputs.push_back(to_tensor(array));
    runs.push_back(std::move(inputs));
  }
  return explain(
      file, graph, runs,
      [&](const tflite::Model& probed, const NamedBytes& inputs) {
        nb::dict given;
        for (const auto& [name, data] : inputs) given[nb::str(name.c_str())] = to_bytes(data);
        const nb::dict found = nb::cast<nb::dict>(run(to_bytes(tflite::serialize_tflite(probed)), given));
        NamedBytes results;
        for (const auto& [name, data] : found) {
          results.emplace_back(nb::cast<std::string>(name), from_bytes(nb::cast<nb::bytes>(data)));
        }
        return results;
      },
      roundings);
}

/// For copies of modules that hold one.
using ScalingState = std::tuple<int, double, int64_t, double>;
using RoundingState = std::tuple<std::string, std::vector<ScalingState>, int64_t>;

RoundingState rounding_state(const KernelRounding& rounding) {
  std::vector<ScalingState> scalings;
  for (const KernelScaling& s : rounding.scalings) {
    scalings.emplace_back(static_cast<int>(s.kind), s.multiplier, s.more_bits, s.negative);
  }
  return {rounding.module_path, std::move(scalings), rounding.axis};
}

void set_rounding_state(KernelRounding& rounding, const RoundingState& state) {
  new (&rounding) KernelRounding{std::get<0>(state), {}, std::get<2>(state)};
  for (const auto& [kind, multiplier, more_bits, negative] : std::get<1>(state)) {
    rounding.scalings.push_back({static_cast<KernelScaling::Kind>(kind), multiplier, more_bits, negative});
  }
}

}  // namespace

void bind_explain(nb::module_& module) {
  nb::class_<ErrorFinding>(module, "ErrorFinding", "A cause of a layer's error, with a remedy.")
      .def_prop_ro("cause", [](const ErrorFinding& self) { return std::string(name_of(self.cause)); })
      .def_ro("share", &ErrorFinding::share, "Of the energy of the layer's own error; 0 where it cannot be told.")
      .def_ro("detail", &ErrorFinding::detail)
      .def_ro("remedy", &ErrorFinding::remedy)
      .def("__repr__", [](const ErrorFinding& self) { return std::string(name_of(self.cause)) + ": " + self.detail; });
  nb::class_<LayerError>(module, "LayerError", "An activation FakeQuant and the integer tensor that it became.")
      .def_ro("name", &LayerError::name)
      .def_ro("op", &LayerError::op)
      .def_ro("module_path", &LayerError::module_path)
      .def_ro("fake_quantize", &LayerError::fake_quantize)
      .def_ro("kernel", &LayerError::kernel, "The TFLite operator; empty when the file has no such tensor.")
      .def_ro("scale", &LayerError::scale)
      .def_ro("zero_point", &LayerError::zero_point)
      .def_ro("snr_db", &LayerError::snr_db, "Of the tensor against the float model.")
      .def_ro("own_snr_db", &LayerError::own_snr_db, "Against the float layer on the file's own inputs.")
      .def_ro("unequal", &LayerError::unequal, "Share of integers other than the FakeQuants give on these inputs.")
      .def_ro("apart", &LayerError::apart, "Share of those that differ by more than one.")
      .def_ro("findings", &LayerError::findings);
  nb::class_<OutputSnr>(module, "OutputSnr", "An output of the file against the float model.")
      .def_ro("name", &OutputSnr::name)
      .def_ro("snr_db", &OutputSnr::snr_db);
  nb::class_<Explanation>(module, "Explanation", "Where a quantized file loses accuracy.")
      .def_ro("layers", &Explanation::layers, "In execution order.")
      .def_ro("outputs", &Explanation::outputs)
      .def(
          "to_html", [](const Explanation& self, const std::string& title) { return to_html(self, title); },
          nb::arg("title") = "Quantization error", "One self-contained page.")
      .def("__str__", [](const Explanation& self) { return to_string(self); });
  nb::class_<KernelScaling>(module, "KernelScaling", "How a kernel scales its integers to steps of its result.")
      .def_prop_ro("kind", [](const KernelScaling& self) { return static_cast<int>(self.kind); })
      .def_ro("multiplier", &KernelScaling::multiplier)
      .def_ro("more_bits", &KernelScaling::more_bits)
      .def_ro("negative", &KernelScaling::negative);
  nb::class_<KernelRounding>(module, "KernelRounding", "The scaling in front of one FakeQuant.")
      .def("__getstate__", &rounding_state)
      .def("__setstate__", &set_rounding_state)
      .def_ro("module_path", &KernelRounding::module_path)
      .def_ro("scalings", &KernelRounding::scalings, "One, or one for each index of `axis`.")
      .def_ro("axis", &KernelRounding::axis, "Of the value, counted from its end.");
  module.def(
      "kernel_roundings",
      [](const Graph& graph, const nb::bytes& contents, bool xnnpack) {
        auto owner = std::make_shared<std::vector<std::byte>>(from_bytes(contents));
        return kernel_roundings(graph, tflite::read_tflite(*owner, owner),
                                xnnpack ? KernelSet::kXnnpack : KernelSet::kReference);
      },
      nb::arg("graph"), nb::arg("contents"), nb::arg("xnnpack"),
      "How the kernels come to the integers of a file's FakeQuants.");
  module.def("explain", &explain_file, nb::arg("contents"), nb::arg("graph"), nb::arg("samples"), nb::arg("run"),
             nb::arg("roundings") = std::vector<KernelRounding>(),
             "Compare a file layer by layer with the graph that it was made from; `run(file, {input: bytes})` gives "
             "{output: bytes}.");
}

}  // namespace tinyml::python
