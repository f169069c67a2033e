#pragma once

#include "tinyml/graph.h"

namespace tinyml {

/// A graph that was captured with a dynamic batch (the first dimension of its inputs), to train it with, as if captured
/// with so many examples, to deploy it: every size that follows from the batch becomes a number. Other dynamic sizes
/// stay. Throws Error when `batch` is less than 1 and when no input's first dimension is dynamic.
Graph fix_batch_size(const Graph& graph, int64_t batch);

}  // namespace tinyml
