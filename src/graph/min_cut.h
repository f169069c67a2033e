#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tinyml {

/// Minimum s-t cut of a directed graph with integer capacities (Dinic's method: level graphs and blocking flows).
class MinCut {
 public:
  static constexpr int64_t kInfinite = INT64_MAX / 4;

  MinCut() : edges_of_(2) {}
  int source() const { return 0; }
  int sink() const { return 1; }
  int add_node();
  /// An edge that costs `capacity` when `from` ends on the source's side and `to` on the sink's.
  void add_edge(int from, int to, int64_t capacity);

  /// Cost of the minimum cut; call once.
  int64_t solve();
  /// After solve: whether the node is on the sink's side of the cut that is nearest to the source.
  bool on_sink_side(int node) const { return level_[static_cast<size_t>(node)] < 0; }

 private:
  struct Edge {
    int to;
    int64_t capacity;
  };
  bool find_levels();
  int64_t push_blocking_flow();

  std::vector<Edge> edges_;  // Edge e and its reverse e ^ 1.
  std::vector<std::vector<int>> edges_of_;
  std::vector<int> level_;
  std::vector<size_t> next_;
};

}  // namespace tinyml
