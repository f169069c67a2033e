#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tinyml/functionalize.h"
#include "tinyml/graph.h"

namespace tinyml::fuzz {

/// A broken invariant of the library is a finding, not an answer.
inline void check_error(const Error& error) {
  if (error.diagnostics()[0].what.rfind("internal error: ", 0) != 0) return;
  std::fputs(error.what(), stderr);
  std::abort();
}

/// What every user of a graph does first.
inline void use_graph(const Graph& graph) {
  verify(graph);
  to_string(graph);
  to_dot(graph);
  for (const Binding& binding : graph.bindings()) {
    if (binding.data.numel() < 4096) binding.data.contiguous();
  }
  verify(normalize(graph));
}

}  // namespace tinyml::fuzz
