// Dynamic sizes, as numbers: a graph with symbolic sizes is lowered at several generic sizes, and what differs between
// the results is what depends on them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::lowering {

/// A value for each symbol.
using Assignment = std::map<std::string, int64_t>;

/// Whether a size of any value is symbolic.
bool has_symbols(const Graph& graph);

/// The symbols and their values at capture, found from the sizes of the inputs. Throws Error naming a symbol that no
/// input's size gives away.
Assignment example_assignment(const Graph& graph);

/// Assignments for the lowering to be compared at: every size differs from every other and from the constant ones, the
/// first one's are primes, and odd and even sizes both occur. Each `attempt` gives others.
std::vector<Assignment> sample_assignments(const Graph& graph, const Assignment& example, int attempt);

/// The size under an assignment.
int64_t size_at(const Dim& dim, const Assignment& assignment);

/// The graph as if it had been captured at these sizes; the sizes stay symbolic.
Graph with_sizes(Graph graph, const Assignment& assignment);

}  // namespace tinyml::lowering
