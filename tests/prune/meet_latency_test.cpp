// Latency targets, with a model's multiply-accumulates as its seconds.
#include <gtest/gtest.h>

#include "analysis/graph_builder.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

double seconds_of(const Graph& graph) { return static_cast<double>(count_cost(graph).total.macs); }

Graph chain(int layers) {
  testing::GraphBuilder b;
  ValueId x = b.input({1, 3, 8, 8});
  for (int i = 0; i < layers; ++i) x = b.relu(b.conv("conv" + std::to_string(i), x, 32));
  b.output(b.conv("head", x, 4));
  return b.graph;
}

double share_left(const Graph& graph, double target, int64_t multiple) {
  PruningConfig config;
  config.target_latency = target;
  config.multiple = multiple;
  config.latency = seconds_of;
  const DependencyGraph dependencies = analyze_dependencies(graph);
  const Graph pruned = apply_plan(graph, dependencies, plan_pruning(graph, dependencies, config));
  for (const Binding& binding : pruned.bindings()) {
    if (binding.fqn.starts_with("head")) continue;
    EXPECT_EQ(binding.data.size(0) % multiple, 0);
  }
  return seconds_of(pruned) / seconds_of(graph);
}

TEST(MeetLatency, ComesWithinFivePercent) {
  const double share = share_left(chain(4), 0.5, 1);
  EXPECT_LE(share, 0.5);
  EXPECT_GE(share, 0.475);
}

TEST(MeetLatency, WidensSingleLayersWhereACommonSparsityJumps) {
  // All layers have 32 channels or all have 16, a quarter of the arithmetic; half of the layers is in between.
  const double share = share_left(chain(12), 0.6, 16);
  EXPECT_LE(share, 0.6);
  EXPECT_GE(share, 0.57);
}

}  // namespace
}  // namespace tinyml
