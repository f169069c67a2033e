#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "analysis/graph_builder.h"
#include "tinyml/analysis.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

const BindingAxis& axis(const DependencyGraph& dependencies, const std::string& fqn, int64_t dim) {
  for (const BindingAxis& each : dependencies.axes) {
    if (each.fqn == fqn && each.dim == dim) return each;
  }
  throw Error("no axis " + fqn);
}

std::vector<std::string> producers(const DependencyGraph& dependencies, size_t subgraph) {
  std::vector<std::string> names;
  for (size_t index : dependencies.subgraphs[subgraph].producers) names.push_back(dependencies.axes[index].fqn);
  return names;
}

TEST(Dependencies, ChainHasOneSubgraphForEachLayer) {
  GraphBuilder b;
  const ValueId x = b.relu(b.batch_norm("bn", b.conv("a", b.input({1, 3, 4, 4}), 8)));
  b.output(b.conv("c", b.conv("b", x, 6), 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  ASSERT_EQ(d.subgraphs.size(), 2u);
  EXPECT_EQ(d.subgraphs[0].units.size(), 8u);
  EXPECT_EQ(d.subgraphs[1].units.size(), 6u);
  EXPECT_EQ(*axis(d, "a.weight", 0).units, *axis(d, "bn.running_var", 0).units);
  EXPECT_EQ(*axis(d, "a.weight", 0).units, *axis(d, "b.weight", 1).units);
  EXPECT_FALSE(axis(d, "bn.running_var", 0).maskable);
  ASSERT_EQ(d.pinned.size(), 1u);
  EXPECT_EQ(d.pinned[0].fqn, "c.weight");
}

TEST(Dependencies, CatShiftsIndices) {
  GraphBuilder b;
  const ValueId in = b.input({1, 3, 4, 4});
  b.output(b.conv("c", b.cat({b.conv("a", in, 4), b.conv("b", in, 6)}), 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  ASSERT_EQ(d.subgraphs.size(), 2u);
  std::vector<UnitId> expected = *axis(d, "a.weight", 0).units;
  expected.insert(expected.end(), axis(d, "b.weight", 0).units->begin(), axis(d, "b.weight", 0).units->end());
  EXPECT_EQ(*axis(d, "c.weight", 1).units, expected);
}

TEST(Dependencies, AdditionJoinsProducers) {
  GraphBuilder b;
  const ValueId in = b.input({1, 3, 4, 4});
  const ValueId joined = b.cat({b.conv("a", in, 4), b.conv("b", in, 6)});
  b.output(b.conv("c", b.add(joined, b.conv("e", in, 10)), 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  ASSERT_EQ(d.subgraphs.size(), 1u);
  EXPECT_EQ(producers(d, 0), (std::vector<std::string>{"a.weight", "b.weight", "e.weight"}));
}

TEST(Dependencies, FlattenRepeatsChannels) {
  GraphBuilder b;
  b.output(b.linear("fc", b.flatten(b.conv("a", b.input({2, 3, 2, 2}), 5)), 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  const std::vector<UnitId>& columns = *axis(d, "fc.weight", 1).units;
  ASSERT_EQ(columns.size(), 20u);
  for (size_t i = 0; i < columns.size(); ++i) EXPECT_EQ(columns[i], static_cast<UnitId>(i / 4));
}

TEST(Dependencies, GroupedConvolutionAsksForEqualCounts) {
  GraphBuilder b;
  b.output(b.conv("c", b.conv("g", b.conv("a", b.input({1, 3, 4, 4}), 8), 12, 3, 2), 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  ASSERT_EQ(d.constraints.size(), 2u);
  EXPECT_EQ(d.constraints[0].shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(d.constraints[1].shape, (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(axis(d, "g.weight", 1).groups, 2);
  EXPECT_EQ(*axis(d, "g.weight", 1).units, *axis(d, "a.weight", 0).units);
}

TEST(Dependencies, ReorderingShuffleTiesOneChannelOfEachGroup) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 6);
  const ValueId y = b.view(b.permute(b.view(x, {1, 2, 3, 4, 4}), {0, 2, 1, 3, 4}), {1, 6, 4, 4});
  b.output(b.conv("c", y, 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  EXPECT_EQ(*axis(d, "a.weight", 0).units, (std::vector<UnitId>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(*axis(d, "c.weight", 1).units, (std::vector<UnitId>{0, 0, 1, 1, 2, 2}));
}

TEST(Dependencies, SplitAndFlattenedAgainNeedsNoTies) {
  GraphBuilder b;
  const ValueId x = b.view(b.view(b.conv("a", b.input({1, 3, 4, 4}), 6), {1, 2, 3, 4, 4}), {1, 6, 4, 4});
  b.output(b.conv("c", x, 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  EXPECT_EQ(d.unit_count, 6);
  EXPECT_EQ(d.constraints.size(), 1u);
}

TEST(Dependencies, InputAndOutputArePinned) {
  GraphBuilder b;
  const ValueId in = b.input({1, 3, 4, 4});
  b.output(b.add(b.conv("b", b.conv("a", in, 3), 3), in));
  b.output(b.add(b.conv("c", in, 3), in));
  const DependencyGraph d = analyze_dependencies(b.graph);
  EXPECT_EQ(d.unit_count, 3);
  std::set<std::string> pinned;
  for (const PinnedAxis& each : d.pinned) pinned.insert(each.fqn);
  EXPECT_EQ(pinned, (std::set<std::string>{"b.weight", "c.weight"}));
}

TEST(Dependencies, PrintsWhatItFound) {
  GraphBuilder b;
  b.output(b.conv("c", b.conv("g", b.conv("a", b.input({1, 3, 4, 4}), 8), 12, 3, 2), 4));
  const DependencyGraph d = analyze_dependencies(b.graph);
  const std::string text = to_string(d);
  EXPECT_NE(text.find("made by a.weight dim 0 (8)"), std::string::npos) << text;
  EXPECT_NE(text.find("read by g.weight dim 1 (8, 2 groups)"), std::string::npos) << text;
  EXPECT_NE(text.find("each of 2 parts keeps equally many"), std::string::npos) << text;
  EXPECT_NE(text.find("c.weight dim 0 (4 of 4): it is an output of the network"), std::string::npos) << text;
  EXPECT_NE(to_dot(d).find("\"a\" -> s0"), std::string::npos);
}

TEST(Cost, CountsConvolutionsAndLinear) {
  GraphBuilder b;
  const ValueId x = b.conv("dw", b.conv("a", b.input({2, 3, 4, 4}), 8), 8, 3, 8);
  b.output(b.linear("fc", b.flatten(b.global_pool(x)), 5));
  const ModelCost cost = count_cost(b.graph);
  EXPECT_EQ(cost.total.macs, 2 * (16 * 8 * 27 + 16 * 8 * 9 + 8 * 5));
  EXPECT_EQ(cost.parameters, 8 * 27 + 8 + 8 * 9 + 8 + 8 * 5 + 5);
  EXPECT_EQ(cost.peak_activation_bytes, 2 * (2 * 8 * 16 * 4));
  EXPECT_EQ(count_macs(b.graph, [&](ValueId value) { return b.sizes(value); }), cost.total.macs);
}

TEST(Cost, TransposedConvolutionCountsInputs) {
  GraphBuilder b;
  b.output(b.conv_transpose("t", b.input({1, 3, 4, 4}), 8));
  EXPECT_EQ(count_cost(b.graph).total.macs, 3 * 16 * 8 * 4);
}

TEST(Dependencies, AMetDimensionSaysWhyItStays) {
  GraphBuilder b;
  const ValueId x =
      b.op("aten.layer_norm.default",
           {{"input", b.linear("a", b.input({2, 3}), 4)}, {"normalized_shape", Argument::ints({4})}}, {2, 4});
  b.output(b.linear("c", b.relu(b.add(b.relu(x), b.linear("b", x, 4))), 1));
  std::map<std::string, std::string> reasons;
  for (const PinnedAxis& pinned : analyze_dependencies(b.graph).pinned) reasons[pinned.fqn] = pinned.reason.what;
  EXPECT_NE(reasons.at("b.weight").find("cannot shrink: layer normalisation takes its statistics"), std::string::npos)
      << reasons.at("b.weight");
  EXPECT_EQ(reasons.at("c.weight"), "it has one channel");
}

}  // namespace
}  // namespace tinyml
