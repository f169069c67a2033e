#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>

#include "bindings.h"
#include "tinyml/error.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_info.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

using tflite::Model;

Model from_bytes(const nb::bytes& contents) {
  auto owner = std::make_shared<std::vector<std::byte>>(contents.size());
  std::memcpy(owner->data(), contents.c_str(), contents.size());
  return tflite::read_tflite(*owner, owner);
}

std::vector<tflite::Tensor> tensors_of(const Model& model, const std::vector<int>& ids) {
  std::vector<tflite::Tensor> result;
  for (const int id : ids) result.push_back(model.subgraphs[0].tensors[static_cast<size_t>(id)]);
  return result;
}

std::map<std::string, std::map<std::string, std::vector<std::pair<std::string, int>>>> signatures_of(
    const Model& model) {
  std::map<std::string, std::map<std::string, std::vector<std::pair<std::string, int>>>> result;
  for (const tflite::Signature& signature : model.signatures) {
    result[signature.key] = {{"inputs", signature.inputs}, {"outputs", signature.outputs}};
  }
  return result;
}

void optimize(Model& model) {
  // On a copy: an error leaves the model as it was.
  Model result = model;
  tflite::optimize(result);
  model = std::move(result);
}

}  // namespace

void bind_tflite(nb::module_& module) {
  nb::class_<tflite::Tensor>(module, "TFLiteTensor", "A tensor of a .tflite file.")
      .def_ro("name", &tflite::Tensor::name)
      .def_prop_ro("type", [](const tflite::Tensor& t) { return std::string(to_string(t.type)); })
      .def_ro("shape", &tflite::Tensor::shape)
      .def_ro("shape_signature", &tflite::Tensor::shape_signature, "-1 where the size is dynamic; else empty.")
      .def_prop_ro("scale", [](const tflite::Tensor& t) { return t.quantization.scale; })
      .def_prop_ro("zero_point", [](const tflite::Tensor& t) { return t.quantization.zero_point; });

  nb::class_<Model>(module, "TFLiteModel", "The contents of a .tflite file.")
      .def_static(
          "read", [](const std::string& path) { return tflite::read_tflite(path); }, nb::arg("path"),
          "Reads a file, which is memory-mapped.", nb::call_guard<nb::gil_scoped_release>())
      .def_static("from_bytes", &from_bytes, nb::arg("contents"))
      .def_prop_ro("inputs", [](const Model& model) { return tensors_of(model, model.subgraphs.at(0).inputs); })
      .def_prop_ro("outputs", [](const Model& model) { return tensors_of(model, model.subgraphs.at(0).outputs); })
      .def_prop_ro("signatures", &signatures_of, "By key: names of inputs and outputs with the tensors' numbers.")
      .def_prop_ro("operators", &tflite::count_operators, "How many operators of each kind.")
      .def_prop_ro("macs", [](const Model& model) { return tflite::count_macs(model.subgraphs.at(0)); })
      .def_prop_ro("constant_bytes", &tflite::count_constant_bytes)
      .def_prop_ro("arena_bytes", [](const Model& model) { return tflite::plan_arena(model.subgraphs.at(0)).bytes; })
      .def("optimize", &optimize, "Applies every pass.", nb::call_guard<nb::gil_scoped_release>())
      .def("violations",
           [](const Model& model) {
             std::vector<std::string> lines;
             for (const Diagnostic& found : tflite::find_violations(model)) lines.push_back(found.to_string());
             return lines;
           })
      .def("to_bytes",
           [](const Model& model) {
             const std::vector<std::byte> file = tflite::serialize_tflite(model);
             return nb::bytes(file.data(), file.size());
           })
      .def(
          "write", [](const Model& model, const std::string& path) { tflite::write_tflite(model, path); },
          nb::arg("path"), "Writes the file through a temporary one.", nb::call_guard<nb::gil_scoped_release>());

  module.def(
      "tflite_violations",
      [](const nb::bytes& contents) {
        const auto* data = reinterpret_cast<const std::byte*>(contents.c_str());
        std::vector<std::byte> copy(data, data + contents.size());  // Aligned.
        std::vector<std::string> lines;
        for (const Diagnostic& found : tflite::find_violations(copy)) lines.push_back(found.to_string());
        return lines;
      },
      nb::arg("contents"), "Everything wrong with a .tflite file, operator versions included.");
}

}  // namespace tinyml::python
