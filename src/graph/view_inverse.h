#pragma once

#include "tinyml/graph.h"

namespace tinyml {

/// Writes through a view: given that `view` computed its result number `output` from `base`, returns the tensor that
/// equals `base` except that this result is `written`. Inserts nodes before `before`. Throws Error naming the view and
/// its source line if it has no inverse (a broadcast, a view as another type).
ValueId write_through_view(Graph& graph, const Node& view, size_t output, ValueId base, ValueId written, NodeId before);

}  // namespace tinyml
