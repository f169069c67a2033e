// Runs a quantized graph and its float form side by side.
#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// One value for every sample (one tensor for all when it depends on no input): exact, and as the quantized graph has
/// it.
struct ValuePair {
  std::vector<Tensor> exact;
  std::vector<Tensor> rounded;  ///< Empty while nothing was rounded: as exact.
  bool constant = false;

  const std::vector<Tensor>& quantized() const { return rounded.empty() ? exact : rounded; }
};

/// The values of a graph for all samples together, computed node by node. A value of the samples is freed after its
/// last reader.
class Lockstep {
 public:
  /// The graph may change its bindings' data and grow nodes' arguments while it runs; it must outlive this.
  Lockstep(const Graph& graph, const std::vector<std::vector<Tensor>>& samples);

  /// Computes the results of a node, whose operands are known. A FakeQuant leaves the exact value as it is.
  void run(NodeId id);
  /// Forgets operands that no later node reads.
  void finish(NodeId id);
  ValuePair& pair(ValueId id) { return values_[index_of(id)]; }

 private:
  std::vector<Tensor> operands(const Node& node, size_t sample, bool exact) const;

  const Graph& graph_;
  size_t samples_ = 0;
  std::vector<ValuePair> values_;
  std::vector<size_t> readers_;
};

}  // namespace tinyml::quantization
