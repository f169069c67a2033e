#include "graph/min_cut.h"

#include <algorithm>

namespace tinyml {

int MinCut::add_node() {
  edges_of_.emplace_back();
  return static_cast<int>(edges_of_.size()) - 1;
}

void MinCut::add_edge(int from, int to, int64_t capacity) {
  edges_of_[static_cast<size_t>(from)].push_back(static_cast<int>(edges_.size()));
  edges_.push_back({to, capacity});
  edges_of_[static_cast<size_t>(to)].push_back(static_cast<int>(edges_.size()));
  edges_.push_back({from, 0});
}

bool MinCut::find_levels() {
  level_.assign(edges_of_.size(), -1);
  level_[0] = 0;
  std::vector<int> queue = {source()};
  for (size_t head = 0; head < queue.size(); ++head) {
    const auto node = static_cast<size_t>(queue[head]);
    for (int e : edges_of_[node]) {
      const Edge& edge = edges_[static_cast<size_t>(e)];
      if (edge.capacity > 0 && level_[static_cast<size_t>(edge.to)] < 0) {
        level_[static_cast<size_t>(edge.to)] = level_[node] + 1;
        queue.push_back(edge.to);
      }
    }
  }
  return level_[static_cast<size_t>(sink())] >= 0;
}

// One augmenting path in the level graph, by an explicit stack (the graph may be a chain of 20,000 nodes).
int64_t MinCut::push_blocking_flow() {
  int64_t total = 0;
  std::vector<int> path;  // Edges from the source.
  int node = source();
  while (true) {
    if (node == sink()) {
      int64_t flow = kInfinite;
      for (int e : path) flow = std::min(flow, edges_[static_cast<size_t>(e)].capacity);
      size_t keep = path.size();
      for (size_t i = path.size(); i-- > 0;) {
        const auto e = static_cast<size_t>(path[i]);
        edges_[e].capacity -= flow;
        edges_[e ^ 1].capacity += flow;
        if (edges_[e].capacity == 0) keep = i;
      }
      total += flow;
      path.resize(keep);
      node = path.empty() ? source() : edges_[static_cast<size_t>(path.back())].to;
      continue;
    }
    const auto n = static_cast<size_t>(node);
    bool advanced = false;
    for (size_t& i = next_[n]; i < edges_of_[n].size(); ++i) {
      const Edge& edge = edges_[static_cast<size_t>(edges_of_[n][i])];
      if (edge.capacity > 0 && level_[static_cast<size_t>(edge.to)] == level_[n] + 1) {
        path.push_back(edges_of_[n][i]);
        node = edge.to;
        advanced = true;
        break;
      }
    }
    if (advanced) continue;
    if (path.empty()) return total;
    const auto last = static_cast<size_t>(path.back());
    path.pop_back();
    node = edges_[last ^ 1].to;
    ++next_[static_cast<size_t>(node)];
  }
}

int64_t MinCut::solve() {
  int64_t total = 0;
  while (find_levels()) {
    next_.assign(edges_of_.size(), 0);
    total += push_blocking_flow();
  }
  return total;
}

}  // namespace tinyml
