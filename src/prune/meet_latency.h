#pragma once

#include <vector>

#include "prune/allocation.h"

namespace tinyml::prune {

/// What the config's latency target allows, in seconds; a share counts from `graph`. Throws Error without a function
/// that measures.
double latency_limit(const Graph& graph, const PruningConfig& config);

/// kept[unit] for the smallest sparsity from `least` on whose latency is at most the config's target, by bisection: it
/// ends as soon as one lies within 3 % below. Where there is none, one within 3 % above counts, else the slowest that
/// is faster, with single layers widened, the relatively narrowest first, until it lies there. What was found is
/// measured again, and looked for again where that does not confirm it. Throws Error saying how near one can come, and
/// where times vary too much to tell.
std::vector<bool> meet_latency(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                               const Allocation& allocation, double least);

}  // namespace tinyml::prune
