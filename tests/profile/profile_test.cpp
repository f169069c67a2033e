#include "tinyml/profile.h"

#include <gtest/gtest.h>

#include "analysis/graph_builder.h"
#include "tinyml/tflite_info.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

Graph network() {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 8, 8}), 32));
  b.output(b.conv("c", b.relu(b.conv("b", x, 48)), 4));
  return b.graph;
}

/// A device on which every multiply-accumulate takes a nanosecond and every model two microseconds more.
double seconds(const tflite::Model& model) {
  return 1e-9 * static_cast<double>(tflite::count_macs(model.subgraphs[0])) + 2e-6;
}

TEST(Profile, KnowsTheShapesItHasMeasured) {
  const Graph graph = network();
  ProfileOptions options;
  size_t calls = 0;
  options.on_progress = [&](size_t done, size_t total) {
    EXPECT_EQ(done, calls++);
    EXPECT_LT(done, total);
  };
  const LatencyTable table = profile(graph, seconds, options);
  EXPECT_GT(table.size(), 15u);
  EXPECT_EQ(calls, table.size() + options.widths.size());
  const double whole = seconds(convert(graph).model);
  EXPECT_NEAR(table.estimate(graph), whole, 0.1 * whole);
  const tflite::Model model = convert(graph).model;
  for (const tflite::Operator& op : model.subgraphs[0].operators) {
    const OperatorShape shape = describe_operator(model.subgraphs[0], op);
    EXPECT_TRUE(shape.kind.empty() || table.contains(shape)) << shape.kind;
  }
}

TEST(Profile, InterpolatesWidths) {
  const Graph graph = network();
  const LatencyTable table = profile(graph, seconds);
  const DependencyGraph dependencies = analyze_dependencies(graph);
  PruningConfig config;
  for (const double sparsity : {0.1, 0.4, 0.6, 0.8}) {
    config.sparsity = sparsity;
    const Graph pruned = apply_plan(graph, dependencies, plan_pruning(graph, dependencies, config));
    const double measured = seconds(convert(pruned).model);
    EXPECT_NEAR(table.estimate(pruned), measured, 0.15 * measured) << sparsity;
  }
}

TEST(Profile, IsWrittenAndRead) {
  LatencyTable table;
  table.device = "ruler";
  table.scale = 1.25;
  table.add({"ADD FLOAT32[1]", {4, 4}, 8.0}, 1e-6);
  const LatencyTable read = parse_latency_table(to_json(table));
  EXPECT_EQ(to_json(read), to_json(table));
  EXPECT_EQ(read.device, "ruler");
  EXPECT_TRUE(read.contains({"ADD FLOAT32[1]", {4, 4}, 8.0}));
  EXPECT_THROW(parse_latency_table("{}"), Error);
  EXPECT_THROW(parse_latency_table("[1, 2"), Error);
  EXPECT_THROW(read_latency_table("/nonexistent.json"), Error);
}

TEST(Profile, SaysWhatATableLacks) {
  try {
    (void)LatencyTable().estimate(network());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("CONV_2D"), std::string::npos) << error.what();
  }
}

TEST(Profile, PlansMeetATargetByTheTable) {
  const Graph graph = network();
  const DependencyGraph dependencies = analyze_dependencies(graph);
  PruningConfig config = parse_pruning_config("{target: {latency: 0.5}}");
  EXPECT_THROW(plan_pruning(graph, dependencies, config), Error);  // Nothing tells the latency.
  config.latency = table_latency(profile(graph, seconds));
  const Graph pruned = apply_plan(graph, plan_pruning(graph, dependencies, config));
  EXPECT_NEAR(config.latency(pruned) / config.latency(graph), 0.5, 0.025);
}

TEST(Profile, FailsWholeOnBadMeasurements) {
  EXPECT_THROW(profile(network(), [](const tflite::Model&) { return 0.0; }), Error);
  ProfileOptions options;
  options.widths = {1.5};
  EXPECT_THROW(profile(network(), seconds, options), Error);
}

}  // namespace
}  // namespace tinyml
