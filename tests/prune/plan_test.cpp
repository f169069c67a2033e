#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "analysis/graph_builder.h"
#include "prune/metrics.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

/// Two convolutions and a residual connection.
GraphBuilder network() {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 4, 4}), 8));
  b.output(b.conv("d", b.add(x, b.conv("c", b.conv("b", x, 6), 8)), 4));
  return b;
}

PruningPlan plan_for(const Graph& graph, const std::string& config) {
  return plan_pruning(graph, analyze_dependencies(graph), parse_pruning_config(config));
}

std::vector<int64_t> shape_of(const Graph& graph, const std::string& fqn) {
  return graph.find_binding(fqn)->data.shape();
}

std::string message_of(const Graph& graph, const PruningPlan& plan) {
  try {
    apply_plan(graph, plan);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Plan, CutsParametersAndShapes) {
  const GraphBuilder b = network();
  const Graph pruned = apply_plan(b.graph, plan_for(b.graph, "{sparsity: 0.5}"));
  EXPECT_EQ(shape_of(pruned, "a.weight"), (std::vector<int64_t>{4, 3, 3, 3}));
  EXPECT_EQ(shape_of(pruned, "b.weight"), (std::vector<int64_t>{3, 4, 3, 3}));
  EXPECT_EQ(shape_of(pruned, "d.weight"), (std::vector<int64_t>{4, 4, 3, 3}));
  EXPECT_EQ(shape_of(b.graph, "a.weight"), (std::vector<int64_t>{8, 3, 3, 3}));  // The original is as it was.
  for (NodeId id : pruned.nodes()) {
    if (pruned.node(id).op == "aten.add.Tensor") {
      EXPECT_EQ(pruned.tensor_type(pruned.node(id).output()).sizes(), (std::vector<int64_t>{1, 4, 4, 4}));
    }
  }
}

TEST(Plan, KeepsTheLargestRows) {
  GraphBuilder b;
  const ValueId x = b.input({1, 2, 1, 1});
  const ValueId weight = b.graph.add_binding(BindingKind::kParameter, "a.weight",
                                             Tensor::from<float>({1, 0, 0, 5, -3, 0, 2, 2}, {4, 2, 1, 1}));
  const ValueId y = b.op("aten.conv2d.default", {{"input", x}, {"weight", weight}}, {1, 4, 1, 1});
  b.output(b.conv("b", y, 3, 1));
  const PruningPlan plan = plan_for(b.graph, "{sparsity: 0.5, metrics: l2_norm}");
  ASSERT_FALSE(plan.cuts.empty());
  EXPECT_EQ(plan.cuts[0].fqn, "a.weight");
  EXPECT_EQ(plan.cuts[0].kept, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(plan_for(b.graph, "{sparsity: 0.5, metrics: l1_norm}").cuts[0].kept, (std::vector<int64_t>{1, 3}));
}

TEST(Plan, MetricsOfRows) {
  const std::vector<float> data = {3, 4, 0, 0, 0, 1};
  const prune::AxisRows rows{data.data(), 1, 1, 3, 2, 1};
  EXPECT_EQ(prune::l1_norms(rows), (std::vector<double>{7, 0, 1}));
  EXPECT_EQ(prune::l2_norms(rows), (std::vector<double>{5, 0, 1}));
  const std::vector<double> distances = prune::geometric_median_distances(rows);
  EXPECT_NEAR(distances[0], 5 + std::sqrt(18), 1e-5);
  EXPECT_NEAR(distances[1], 6, 1e-5);
  EXPECT_NEAR(distances[2], 1 + std::sqrt(18), 1e-5);
}

TEST(Plan, RowsAlongTheSecondDimension) {
  const std::vector<float> data = {1, 2, 3, 4};  // 2 x 2, columns 0 and 1.
  EXPECT_EQ(prune::l1_norms({data.data(), 2, 2, 2, 1, 1}), (std::vector<double>{4, 6}));
  EXPECT_EQ(prune::l1_norms({data.data(), 2, 1, 2, 1, 2}), (std::vector<double>{1, 2, 3, 4}));  // Two groups.
}

TEST(Plan, SurvivesJson) {
  const GraphBuilder b = network();
  const PruningPlan plan = plan_for(b.graph, "{sparsity: 0.5}");
  const PruningPlan read = parse_pruning_plan(to_json(plan));
  EXPECT_EQ(read.cuts, plan.cuts);
  EXPECT_EQ(read.metric, plan.metric);
  const auto path = std::filesystem::temp_directory_path() / "tinyml_plan_test.json";
  write_pruning_plan(plan, path.string());
  EXPECT_EQ(read_pruning_plan(path.string()).cuts, plan.cuts);
  std::filesystem::remove(path);
}

TEST(Plan, RefusesOtherDocuments) {
  for (const char* text : {"", "[]", "{}", R"({"format": "x", "version": 1, "cuts": []})",
                           R"({"format": "tinyml.pruning_plan", "version": 3, "cuts": []})",
                           R"({"format": "tinyml.pruning_plan", "version": 1, "cuts": [{}]})"}) {
    EXPECT_THROW(parse_pruning_plan(text), Error) << text;
  }
}

TEST(Plan, RefusesAnotherModel) {
  const GraphBuilder b = network();
  PruningPlan plan = plan_for(b.graph, "{sparsity: 0.5}");
  plan.cuts[0].fqn = "z.weight";
  plan.cuts[1].size = 9;
  const std::string message = message_of(b.graph, plan);
  EXPECT_NE(message.find("no such parameter"), std::string::npos) << message;
  EXPECT_NE(message.find("made for 9 indices"), std::string::npos) << message;
}

TEST(Plan, RefusesToCutDependentChannelsApart) {
  const GraphBuilder b = network();
  PruningPlan plan = plan_for(b.graph, "{sparsity: 0.5}");
  for (Cut& cut : plan.cuts) {
    if (cut.fqn == "c.weight" && cut.dim == 0) cut.kept = {0, 1, 2, 3, 4, 5, 6, 7};
  }
  EXPECT_NE(message_of(b.graph, plan).find("depends on others"), std::string::npos);
}

TEST(Plan, RefusesToRemoveOutputs) {
  const GraphBuilder b = network();
  const PruningPlan plan{"", {{"d.weight", 0, 4, 1, {0, 1}}}};
  EXPECT_NE(message_of(b.graph, plan).find("cannot be pruned"), std::string::npos);
}

TEST(Plan, MeetsAFlopsTarget) {
  GraphBuilder b;
  ValueId x = b.input({1, 3, 8, 8});
  for (const char* name : {"a", "b", "c"}) x = b.relu(b.conv(name, x, 32));
  b.output(b.conv("d", x, 4));
  const double before = static_cast<double>(count_cost(b.graph).total.macs);
  for (double target : {0.2, 0.5, 0.9}) {
    const Graph pruned = apply_plan(b.graph, plan_for(b.graph, "{target: {flops: " + std::to_string(target) + "}}"));
    const double after = static_cast<double>(count_cost(pruned).total.macs);
    EXPECT_LE(after, target * before);
    EXPECT_GE(after, (target - 0.1) * before);
  }
  EXPECT_THROW(plan_for(b.graph, "{target: {flops: 0.0001}}"), Error);
}

TEST(Plan, ExcludedAndListedLayers) {
  const GraphBuilder b = network();
  const Graph pruned = apply_plan(b.graph, plan_for(b.graph, "{sparsity: {default: 0.5, b: 0.34}, exclude_ops: [c]}"));
  EXPECT_EQ(shape_of(pruned, "a.weight")[0], 8);  // Tied to c by the addition.
  EXPECT_EQ(shape_of(pruned, "b.weight")[0], 4);
  EXPECT_THROW(plan_for(b.graph, "{exclude_ops: [cc]}"), Error);
}

TEST(Plan, Multiples) {
  GraphBuilder b;
  b.output(b.conv("b", b.conv("a", b.input({1, 3, 4, 4}), 24), 4));
  EXPECT_EQ(shape_of(apply_plan(b.graph, plan_for(b.graph, "{sparsity: 0.4, multiple: 8}")), "a.weight")[0], 16);
  EXPECT_EQ(shape_of(apply_plan(b.graph, plan_for(b.graph, "{sparsity: 0.9, multiple: 8}")), "a.weight")[0], 8);
  EXPECT_EQ(shape_of(apply_plan(b.graph, plan_for(b.graph, "{sparsity: 0.9, min_channels: 5}")), "a.weight")[0], 5);
}

TEST(Plan, VerifyNamesTheFirstOperatorThatDiffers) {
  // An analysis that is wrong on purpose: the removed channels of a sigmoid are not zero, and their weights stay.
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 8);
  b.output(b.conv("c", b.op("aten.sigmoid.default", {{"self", x}}, b.sizes(x)), 4));
  DependencyGraph dependencies = analyze_dependencies(b.graph);
  const PruningPlan plan = plan_pruning(b.graph, dependencies, {});
  EXPECT_NO_THROW(verify_plan(b.graph, dependencies, plan));
  for (BindingAxis& axis : dependencies.axes) {
    if (axis.fqn == "c.weight") axis.maskable = false;
  }
  try {
    verify_plan(b.graph, dependencies, plan);
    FAIL() << "the difference was not found";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("aten.conv2d.default"), std::string::npos) << error.what();
  }
}

TEST(Plan, TiedWeightsStayTied) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 8);
  const ValueId first = b.parameter("first.weight", {8, 8, 1, 1});
  const ValueId second = b.graph.add_binding(BindingKind::kParameter, "second.weight", b.graph.binding_of(first)->data);
  ValueId y = b.op("aten.conv2d.default", {{"input", x}, {"weight", first}}, b.sizes(x));
  y = b.op("aten.conv2d.default", {{"input", b.relu(y)}, {"weight", second}}, b.sizes(x));
  b.output(b.conv("c", y, 4));
  const PruningPlan plan = plan_for(b.graph, "{sparsity: 0.5}");
  verify_plan(b.graph, plan);
  const Graph pruned = apply_plan(b.graph, plan);
  EXPECT_EQ(pruned.binding_of(first)->data.storage().data(), pruned.binding_of(second)->data.storage().data());
  EXPECT_EQ(shape_of(pruned, "first.weight"), (std::vector<int64_t>{4, 4, 1, 1}));
}

}  // namespace
}  // namespace tinyml
