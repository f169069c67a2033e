#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <vector>

#include "bindings.h"
#include "tinyml/codegen.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

/// A DLPack type; torch.from_dlpack understands all of them.
nb::dlpack::dtype dlpack_type(ScalarType type) {
  using Code = nb::dlpack::dtype_code;
  Code code = Code::Int;
  if (is_floating_point(type)) code = type == ScalarType::kBFloat16 ? Code::Bfloat : Code::Float;
  if (type == ScalarType::kBool) code = Code::Bool;
  if (type == ScalarType::kComplex64 || type == ScalarType::kComplex128) code = Code::Complex;
  if (name_of(type).starts_with("uint")) code = Code::UInt;
  return {static_cast<uint8_t>(code), static_cast<uint8_t>(8 * size_of(type)), 1};
}

/// An object for torch.from_dlpack that keeps the tensor alive and shares its memory.
nb::object dlpack_view(const Tensor& tensor) {
  auto kept = std::make_unique<Tensor>(tensor.contiguous());
  const Tensor& data = *kept;
  const nb::capsule keep(kept.release(), [](void* pointer) noexcept { delete static_cast<Tensor*>(pointer); });
  const std::vector<size_t> shape(data.shape().begin(), data.shape().end());
  static constexpr std::byte kEmpty{};
  const std::byte* bytes = data.numel() > 0 ? data.bytes() : &kEmpty;
  return nb::cast(nb::ndarray<>(const_cast<std::byte*>(bytes), shape.size(), shape.data(), keep, nullptr,
                                dlpack_type(data.type())));
}

}  // namespace

void bind_codegen(nb::module_& module) {
  module.def(
      "generate_python",
      [](const Graph& graph, const std::string& class_name, const std::string& weights_path) {
        PythonModule result = generate_python(graph, CodegenOptions{class_name, weights_path});
        nb::dict weights;
        for (const auto& [name, tensor] : result.weights) weights[nb::str(name.c_str())] = dlpack_view(tensor);
        return nb::make_tuple(nb::str(result.source.c_str()), weights);
      },
      nb::arg("graph"), nb::arg("class_name") = "Model", nb::arg("weights_path") = "",
      "The model's Python source, and its weights by name as objects for torch.from_dlpack.");
  module.def("generate_code", &generate_code, nb::arg("graph"), nb::arg("py_path"), nb::arg("weights_path"),
             nb::arg("class_name") = "Model", "Writes the source and a .safetensors file, without torch.");
  module.def("generate_cpp_code", &generate_cpp_code, nb::arg("graph"), nb::arg("header_path"), nb::arg("weights_path"),
             nb::arg("class_name") = "Model", "Writes a C++ header for LibTorch and a .safetensors file.");
  auto graph = nb::borrow<nb::class_<Graph>>(module.attr("Graph"));
  graph.def(
      "generate_code",
      [](const nb::object& self, const nb::object& py_path, const nb::object& weights_path,
         const std::string& class_name, const std::string& language) {
        nb::module_::import_("tinyml.codegen").attr("generate_code")(self, py_path, weights_path, class_name, language);
      },
      nb::arg("py_path"), nb::arg("weights_path"), nb::arg("class_name") = "Model", nb::arg("language") = "python",
      "Writes the model as Python source and its weights. The file's load() returns the model with its weights. A "
      "weights file "
      "that ends in .safetensors is written as that, any other by torch.save. language=\"cpp\" writes a C++ header for "
      "LibTorch.");
}

}  // namespace tinyml::python
