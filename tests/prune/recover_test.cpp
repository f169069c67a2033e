#include "tinyml/recover.h"

#include <gtest/gtest.h>

#include <random>

#include "analysis/graph_builder.h"
#include "tinyml/evaluate.h"
#include "tinyml/pruning_report.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

/// Three convolutions and a residual connection.
GraphBuilder network() {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 6, 6}), 8));
  b.output(b.conv("d", b.add(x, b.conv("c", b.relu(b.conv("b", x, 8)), 8)), 4));
  return b;
}

PruningPlan plan_for(const Graph& graph, const std::string& config) {
  return plan_pruning(graph, analyze_dependencies(graph), parse_pruning_config(config));
}

Batches random_batches(int count) {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  Batches batches;
  for (int i = 0; i < count; ++i) {
    Tensor image(ScalarType::kFloat32, {1, 3, 6, 6});
    float* out = image.mutable_data<float>();
    for (int64_t k = 0; k < image.numel(); ++k) out[k] = normal(generator);
    batches.push_back({image});
  }
  return batches;
}

TEST(ComposePlans, CutsAtOnceWhatTwoPlansDoInTurn) {
  const Graph graph = network().graph;
  const PruningPlan first = plan_for(graph, "{sparsity: 0.25, metrics: l1_norm}");
  const Graph between = apply_plan(graph, first);
  const PruningPlan second = plan_for(between, "{sparsity: 0.5, metrics: fpgm}");
  const Graph in_turn = apply_plan(between, second);
  const Graph at_once = apply_plan(graph, compose_plans(first, second));
  for (const Binding& binding : in_turn.bindings()) {
    EXPECT_EQ(binding.data.to_doubles(), at_once.find_binding(binding.fqn)->data.to_doubles()) << binding.fqn;
  }
  EXPECT_THROW(compose_plans(first, first), Error);
}

TEST(Reconstruct, LowersTheErrorOfEveryLayerThatLostInputs) {
  const Graph graph = network().graph;
  const DependencyGraph dependencies = analyze_dependencies(graph);
  const PruningPlan plan = plan_for(graph, "{sparsity: 0.25}");
  const Batches batches = random_batches(20);
  const Graph pruned = apply_plan(graph, dependencies, plan);
  const Reconstruction result = reconstruct_layers(graph, dependencies, plan, pruned, batches);
  ASSERT_EQ(result.layers.size(), 3u);  // b, c and d; a lost no inputs.
  EXPECT_EQ(result.layers[0].weight, "b.weight");
  for (const LayerReconstruction& layer : result.layers) EXPECT_LT(layer.error_after, layer.error_before);
  const auto error_of = [&](const Graph& changed) {
    double sum = 0.0;
    for (const std::vector<Tensor>& batch : batches) {
      const std::vector<double> wanted = evaluate(graph, batch)[0].to_doubles(),
                                actual = evaluate(changed, batch)[0].to_doubles();
      for (size_t i = 0; i < wanted.size(); ++i) sum += (wanted[i] - actual[i]) * (wanted[i] - actual[i]);
    }
    return sum;
  };
  EXPECT_LT(error_of(result.graph), 0.8 * error_of(pruned));
  EXPECT_THROW(reconstruct_layers(graph, dependencies, plan, pruned, {}), Error);
}

TEST(Report, HasMemoryAndLatencyOfEverySubgraph) {
  const Graph graph = network().graph;
  const DependencyGraph dependencies = analyze_dependencies(graph);
  const PruningPlan plan = plan_for(graph, "{sparsity: 0.5}");
  const LatencyFunction macs = [](const Graph& each) {
    return 1e-9 * static_cast<double>(count_cost(each).total.macs);
  };
  const PruningReport report = describe_pruning(graph, dependencies, plan, apply_plan(graph, dependencies, plan), macs);
  ASSERT_FALSE(report.subgraphs.empty());
  int64_t peak = 0;
  for (const SubgraphChange& change : report.subgraphs) {
    peak = std::max(peak, change.peak_before);
    EXPECT_LT(change.peak_after, change.peak_before);
    EXPECT_LT(change.parameters_after, change.parameters_before);
    ASSERT_TRUE(change.seconds_before && change.seconds_after);
    EXPECT_DOUBLE_EQ(*change.seconds_before, 1e-9 * static_cast<double>(change.macs_before));
    EXPECT_DOUBLE_EQ(*change.seconds_after, 1e-9 * static_cast<double>(change.macs_after));
  }
  EXPECT_EQ(peak, report.before.peak_activation_bytes);
  EXPECT_NE(to_string(report).find("latency, ms"), std::string::npos);
  EXPECT_NE(to_html(report, "a < b").find("a &lt; b"), std::string::npos);
}

}  // namespace
}  // namespace tinyml
