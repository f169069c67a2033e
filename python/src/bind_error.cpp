#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bindings.h"
#include "tinyml/error.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

// Raises `type` (tinyml.Error) with the error's message; its attribute `diagnostics` is the list of Diagnostic.
void translate(const std::exception_ptr& pointer, void* type) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    nb::object instance = nb::handle(static_cast<PyObject*>(type))(error.what());
    instance.attr("diagnostics") = nb::cast(error.diagnostics());
    PyErr_SetObject(static_cast<PyObject*>(type), instance.ptr());
  }
}

}  // namespace

void bind_error(nb::module_& module) {
  nb::class_<Diagnostic>(module, "Diagnostic", "One problem: what it is, where it is, and what to do about it.")
      .def(
          "__init__",
          [](Diagnostic* self, std::string what, std::string module_path, std::string file, int line,
             std::string source, std::string remedy) {
            new (self) Diagnostic{std::move(what),
                                  std::move(module_path),
                                  {std::move(file), line, "", std::move(source)},
                                  std::move(remedy)};
          },
          nb::arg("what"), nb::arg("module_path") = "", nb::arg("file") = "", nb::arg("line") = 0,
          nb::arg("source") = "", nb::arg("remedy") = "")
      .def_ro("what", &Diagnostic::what)
      .def_ro("module_path", &Diagnostic::module_path)
      .def_prop_ro("file", [](const Diagnostic& diagnostic) { return diagnostic.where.file; })
      .def_prop_ro("line", [](const Diagnostic& diagnostic) { return diagnostic.where.line; })
      .def_prop_ro("source", [](const Diagnostic& diagnostic) { return diagnostic.where.text; })
      .def_ro("remedy", &Diagnostic::remedy)
      .def("__str__", &Diagnostic::to_string)
      .def("__repr__", [](const Diagnostic& diagnostic) { return "Diagnostic(" + diagnostic.to_string() + ")"; });

  nb::object type = nb::steal(
      PyErr_NewExceptionWithDoc("tinyml.Error", "Input that tinyml refuses; `diagnostics` lists every problem found.",
                                PyExc_RuntimeError, nullptr));
  type.attr("diagnostics") = nb::list();
  module.attr("Error") = type;
  nb::register_exception_translator(translate, type.ptr());  // the module's attribute keeps the type alive
}

}  // namespace tinyml::python
