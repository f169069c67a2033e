#include "tinyml/branches.h"

#include <gtest/gtest.h>

#include "analysis/graph_builder.h"
#include "tinyml/analysis.h"
#include "tinyml/evaluate.h"

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

}  // namespace
}  // namespace tinyml
