// Which tensor of a file stands for a value of the graph.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "explain/probe_file.h"

namespace tinyml::explaining {

/// The results of a file's operators by the names that conversion gives them: "<module path>/<value>_int8", with a
/// number behind the value's name for further tensors of one lowered operator. A layer with an activation fused into it
/// may have either's name.
class TensorIndex {
 public:
  explicit TensorIndex(const tflite::Subgraph& main);

  /// The integer tensor of the probe's value: of its scale and zero point, with its elements in some order;
  /// tflite::kNoTensor when there is none.
  int find(const Graph& graph, const Probe& probe) const;
  /// Whether a tensor may be that.
  bool fits(const Graph& graph, const Probe& probe, int tensor) const;

 private:
  const tflite::Subgraph& main_;
  std::multimap<std::string, int> by_value_;
  std::map<std::pair<std::string, std::string>, std::vector<int>> by_operator_;  // (module path, value) -> its tensors
};

}  // namespace tinyml::explaining
