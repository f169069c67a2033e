#pragma once

#include "tinyml/graph.h"

namespace tinyml {

struct FoldOptions {
  /// Also fold what is computed from parameters, as conversion does; training needs them to stay.
  bool fold_parameters = false;
  /// Also fold values that the graph returns.
  bool fold_outputs = false;
};

/// Replaces operators whose inputs are all constants or buffers by their results, and symbolic sizes that are known by
/// numbers. Results become kConstant bindings; operators nobody needs any more are removed, bindings stay.
///
/// Never folded: fake quantization (its scales must survive; what comes before it is folded), dropout and random
/// operators, operators without an evaluator, buffers that the model updates.
Graph fold_constants(Graph graph, const FoldOptions& options = {});

}  // namespace tinyml
