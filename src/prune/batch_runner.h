#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::prune {

/// Runs a graph operator by operator, each over all batches before the next, so that parameters may be changed before
/// the operator that reads them runs.
class BatchRunner {
 public:
  /// Keeps a reference to `graph`. Throws Error for no batches and for inputs that do not fit.
  BatchRunner(const Graph& graph, const std::vector<std::vector<Tensor>>& batches);

  /// What the graph's results need, in execution order.
  const std::vector<NodeId>& nodes() const { return nodes_; }
  size_t batch_count() const { return values_.size(); }
  /// A value that is an operand or result of the operator last run or next to run.
  const Tensor& value(size_t batch, ValueId id) const;
  /// Runs the next operator; nodes() in order. Throws Error as evaluate_node() does.
  void run(NodeId id);

 private:
  const Graph& graph_;
  std::vector<NodeId> nodes_;
  std::vector<std::vector<Tensor>> values_;  ///< By batch and ValueId.
  std::vector<size_t> last_use_;             ///< By ValueId: index into nodes_, 0 for none.
  size_t next_ = 0;
};

}  // namespace tinyml::prune
