// One function a room, each in its own bind_ROOM.cpp: it adds the room's types and functions to tinyml._core.
#pragma once

#include <nanobind/nanobind.h>

namespace tinyml::python {

// In the order in which they are called: a class is bound before the functions that use it.
void bind_error(nanobind::module_& module);
void bind_graph(nanobind::module_& module);
void bind_archive(nanobind::module_& module);
void bind_evaluate(nanobind::module_& module);
void bind_analysis(nanobind::module_& module);
void bind_profile(nanobind::module_& module);
void bind_prune(nanobind::module_& module);
void bind_pruners(nanobind::module_& module);
void bind_codegen(nanobind::module_& module);
void bind_quantize(nanobind::module_& module);
void bind_search(nanobind::module_& module);
void bind_explain(nanobind::module_& module);
void bind_convert(nanobind::module_& module);
void bind_tflite(nanobind::module_& module);

}  // namespace tinyml::python
