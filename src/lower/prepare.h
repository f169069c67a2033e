#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::lowering {

/// The graph as the lowering wants it: only what the user's outputs need, no constant computations left (FakeQuants of
/// constants stay: they carry the precision).
Graph prepare(const Graph& graph);

/// A diagnostic for every buffer, parameter or input that the model changes in inference; statistics of batch norm and
/// of FakeQuants do not count.
std::vector<Diagnostic> check_mutations(const Graph& graph);

}  // namespace tinyml::lowering
