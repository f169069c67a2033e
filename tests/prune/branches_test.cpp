#include "tinyml/branches.h"

#include <gtest/gtest.h>

#include "analysis/graph_builder.h"
#include "tinyml/analysis.h"
#include "tinyml/evaluate.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

size_t convolutions(const Graph& graph) {
  size_t count = 0;
  for (const NodeId id : graph.nodes()) count += graph.node(id).op == "aten.conv2d.default" ? 1 : 0;
  return count;
}

TEST(Branches, FindsIdentityShortcutsOnly) {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("stem", b.input({1, 3, 4, 4}), 8));
  const ValueId y = b.relu(b.add(x, b.conv("b", b.relu(b.conv("a", x, 6)), 8)));
  const ValueId projected = b.add(b.conv("p", y, 8, 1), b.conv("c", y, 8));  // both sides are layers
  b.output(b.conv("head", projected, 4));
  const std::vector<ResidualBranch> branches = find_residual_branches(b.graph);
  ASSERT_EQ(branches.size(), 1u);
  EXPECT_EQ(branches[0].shortcut, x);
  EXPECT_EQ(branches[0].nodes.size(), 3u);
  EXPECT_EQ(branches[0].macs, 16 * 9 * (8 * 6 + 6 * 8));
}

TEST(Branches, LeavesWhatOthersRead) {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("stem", b.input({1, 3, 4, 4}), 8));
  const ValueId inner = b.conv("a", x, 8);
  const ValueId sum = b.add(x, b.conv("b", inner, 8));
  b.output(b.add(sum, inner));  // `inner` is read outside of the branch
  EXPECT_TRUE(find_residual_branches(b.graph).empty());
}

TEST(Branches, RemovedIsTheShortcutAlone) {
  GraphBuilder b;
  ValueId x = b.relu(b.conv("stem", b.input({1, 3, 4, 4}), 8));
  for (const char* name : {"a", "b", "c"}) x = b.add(b.conv(name, b.relu(x), 8), x);  // chained, shortcut second
  b.output(b.conv("head", x, 4));
  std::vector<std::string> names;
  for (const ResidualBranch& branch : find_residual_branches(b.graph)) names.push_back(branch.name);
  ASSERT_EQ(names.size(), 3u);
  EXPECT_EQ(names.front(), "#0");
  const Graph pruned = remove_branches(b.graph, names);
  verify(pruned);
  EXPECT_EQ(convolutions(pruned), 2u);
  EXPECT_EQ(pruned.find_binding("b.weight"), nullptr);
  // The same as with the last layers of the branches zero.
  Graph masked = b.graph;
  for (const char* name : {"a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"}) {
    const Binding* binding = masked.find_binding(name);
    masked.set_binding_data(binding->value, Tensor(ScalarType::kFloat32, binding->data.shape()));
  }
  Tensor input(ScalarType::kFloat32, {1, 3, 4, 4});
  for (int i = 0; i < 48; ++i) input.mutable_data<float>()[i] = static_cast<float>(i % 7) - 3.0f;
  EXPECT_EQ(evaluate(pruned, {input})[0].to_doubles(), evaluate(masked, {input})[0].to_doubles());
  EXPECT_THROW(remove_branches(b.graph, {"nothing"}), Error);
}

TEST(Branches, APlanHoldsThem) {
  GraphBuilder b;
  ValueId x = b.relu(b.conv("stem", b.input({1, 3, 4, 4}), 8));
  for (const char* name : {"a", "b"}) x = b.add(b.conv(name, b.relu(x), 8), x);
  b.output(b.conv("head", x, 4));
  const PruningPlan first = plan_pruning(b.graph, analyze_dependencies(b.graph), parse_pruning_config("sparsity: 0.5"));
  // A run of several cuts: channels, then a branch, then channels of what is left.
  const Graph narrow = apply_plan(b.graph, first);
  const Graph shallow = remove_branches(narrow, {"#0"});
  const PruningPlan last = plan_pruning(shallow, analyze_dependencies(shallow), parse_pruning_config("sparsity: 0.5"));
  PruningPlan all = restrict_plan(compose_plans(first, last), shallow);
  all.removed_branches = {"#0"};
  const PruningPlan read = parse_pruning_plan(to_json(all));
  EXPECT_EQ(read.removed_branches, all.removed_branches);
  EXPECT_NE(to_json(all).find("\"version\":2"), std::string::npos);
  EXPECT_NE(to_json(first).find("\"version\":1"), std::string::npos);
  verify_plan(b.graph, read);
  const Graph replayed = apply_plan(b.graph, read);
  EXPECT_EQ(to_string(replayed), to_string(apply_plan(shallow, last)));
  EXPECT_EQ(replayed.find_binding("a.weight"), nullptr);
  EXPECT_EQ(replayed.find_binding("b.weight")->data.shape(), (std::vector<int64_t>{2, 2, 3, 3}));
  // Dependencies of the graph that still has the branch do not fit the cuts.
  EXPECT_THROW(apply_plan(b.graph, analyze_dependencies(b.graph), read), Error);
  EXPECT_THROW(verify_plan(b.graph, analyze_dependencies(b.graph), read), Error);
}

}  // namespace
}  // namespace tinyml
