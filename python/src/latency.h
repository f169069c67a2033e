#pragma once

#include <nanobind/nanobind.h>

#include "tinyml/prune.h"

namespace tinyml::python {

/// None: no function. A LatencyTable: its estimate. Else a Python function from a Graph to seconds.
LatencyFunction latency_function(const nanobind::object& latency);

}  // namespace tinyml::python
