// One function a room, each in its own bind_ROOM.cpp: it adds the room's types and functions to tinyml._core.
#pragma once

#include <nanobind/nanobind.h>

namespace tinyml::python {

void bind_convert(nanobind::module_& module);
void bind_error(nanobind::module_& module);
void bind_graph(nanobind::module_& module);
void bind_codegen(nanobind::module_& module);   // after bind_graph
void bind_archive(nanobind::module_& module);  // after bind_graph
void bind_quantize(nanobind::module_& module);

}  // namespace tinyml::python
