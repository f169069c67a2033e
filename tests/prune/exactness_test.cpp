// Every topology: pruned at several sparsities, the pruned graph equals the masked original.
#include <gtest/gtest.h>

#include "analysis/graph_builder.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

/// Prunes and proves; returns the number of parameters before and after at sparsity 0.5.
std::pair<int64_t, int64_t> prune_and_prove(const Graph& graph) {
  verify(graph);
  const DependencyGraph dependencies = analyze_dependencies(graph);
  int64_t after = 0;
  for (double sparsity : {0.25, 0.5, 0.75}) {
    for (const char* metric : {"random", "l2_norm"}) {
      PruningConfig config;
      config.sparsity = sparsity;
      config.metric = metric;
      const PruningPlan plan = plan_pruning(graph, dependencies, config);
      verify_plan(graph, dependencies, plan);
      const Graph pruned = apply_plan(graph, dependencies, plan);
      verify(pruned);
      if (sparsity == 0.5) after = count_cost(pruned).parameters;
    }
  }
  return {count_cost(graph).parameters, after};
}

void expect_pruned(const Graph& graph) {
  const auto [before, after] = prune_and_prove(graph);
  EXPECT_LT(after, before) << to_string(analyze_dependencies(graph));
}

TEST(Exactness, ConvolutionBatchNormReluLinear) {
  GraphBuilder b;
  ValueId x = b.relu(b.batch_norm("bn", b.conv("conv", b.input({2, 3, 4, 4}), 8)));
  b.output(b.linear("fc", b.flatten(x), 5));
  expect_pruned(b.graph);
}

TEST(Exactness, Residual) {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 4, 4}), 8));
  const ValueId y = b.add(x, b.conv("c", b.relu(b.conv("b", x, 8)), 8));
  b.output(b.linear("fc", b.flatten(b.global_pool(y)), 5));
  expect_pruned(b.graph);
}

TEST(Exactness, ConcatenationOfTheSameTensorTwice) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 6);
  const ValueId y = b.conv("b", x, 4);
  b.output(b.conv("c", b.cat({x, y, x}), 5));
  expect_pruned(b.graph);
}

TEST(Exactness, ConcatenationAddedToAnother) {
  GraphBuilder b;
  const ValueId in = b.input({1, 3, 4, 4});
  const ValueId x = b.add(b.cat({b.conv("a", in, 4), b.conv("b", in, 6)}), b.conv("c", in, 10));
  b.output(b.conv("d", x, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, DepthwiseConvolution) {
  GraphBuilder b;
  ValueId x = b.relu(b.batch_norm("bn", b.conv("a", b.input({1, 3, 4, 4}), 8)));
  x = b.relu(b.conv("dw", x, 8, 3, 8));
  b.output(b.conv("c", x, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, DepthwiseMultiplier) {
  GraphBuilder b;
  const ValueId x = b.conv("dw", b.conv("a", b.input({1, 3, 4, 4}), 8), 16, 3, 8);
  b.output(b.conv("c", x, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, GroupedConvolution) {
  GraphBuilder b;
  const ValueId x = b.conv("g", b.conv("a", b.input({1, 3, 4, 4}), 16), 24, 3, 4);
  b.output(b.conv("c", x, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, GroupedConvolutionWithOneOutputAGroup) {
  GraphBuilder b;
  const ValueId x = b.conv("g", b.conv("a", b.input({1, 3, 4, 4}), 16), 4, 3, 4);
  b.output(b.conv("c", x, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, GroupedConvolutionsOfDifferentGroups) {
  GraphBuilder b;
  ValueId x = b.conv("g", b.conv("a", b.input({1, 3, 4, 4}), 24), 24, 3, 4);
  x = b.conv("h", b.relu(x), 12, 3, 6);
  b.output(b.conv("c", x, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, TransposedConvolution) {
  for (int64_t groups : {1, 2, 8}) {
    GraphBuilder b;
    const ValueId x = b.conv_transpose("t", b.conv("a", b.input({1, 3, 4, 4}), 8), groups == 8 ? 8 : 12, groups);
    b.output(b.conv("c", b.relu(x), 5));
    expect_pruned(b.graph);
  }
}

TEST(Exactness, SqueezeExcite) {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 4, 4}), 8));
  const ValueId s = b.unary("sigmoid", b.conv("up", b.relu(b.conv("down", b.global_pool(x), 4, 1)), 8, 1));
  b.output(b.conv("c", b.mul(x, s), 5));
  expect_pruned(b.graph);
}

TEST(Exactness, ChannelShuffle) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 12);
  ValueId y = b.view(x, {1, 3, 4, 4, 4});
  y = b.permute(y, {0, 2, 1, 3, 4});
  y = b.view(y, {1, 12, 4, 4});
  b.output(b.conv("c", y, 5));
  expect_pruned(b.graph);
}

TEST(Exactness, ChunkAndUnevenSplit) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 12);
  const std::vector<ValueId> halves =
      b.ops("aten.chunk.default", {{"self", x}, {"chunks", 2}, {"dim", 1}}, {{1, 6, 4, 4}, {1, 6, 4, 4}});
  const ValueId y = b.conv("b", b.cat({halves[1], b.conv("c", halves[0], 3)}), 10);
  const std::vector<ValueId> parts =
      b.ops("aten.split_with_sizes.default", {{"self", y}, {"split_sizes", Argument::ints({2, 5, 3})}, {"dim", 1}},
            {{1, 2, 4, 4}, {1, 5, 4, 4}, {1, 3, 4, 4}});
  b.output(b.conv("d", b.cat({parts[2], parts[0]}), 4));
  b.output(b.conv("e", parts[1], 4));
  expect_pruned(b.graph);
}

TEST(Exactness, SplitWithASmallerLastPiece) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 11);
  const std::vector<ValueId> parts = b.ops("aten.split.Tensor", {{"self", x}, {"split_size", 4}, {"dim", 1}},
                                           {{1, 4, 4, 4}, {1, 4, 4, 4}, {1, 3, 4, 4}});
  b.output(b.conv("d", b.cat({parts[2], parts[0]}), 4));
  b.output(b.conv("e", parts[1], 4));
  expect_pruned(b.graph);
}

TEST(Exactness, Slices) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 12);
  const ValueId y = b.add(b.slice(x, 1, 2, 8), b.slice(x, 1, 6, INT64_MAX));
  b.output(b.conv("c", y, 4));
  b.output(b.conv("d", b.slice(b.conv("e", x, 12), 1, 1, 12, 3), 4));
  expect_pruned(b.graph);
}

TEST(Exactness, StridedSlicesThatDoNotDivideEvenly) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 13);
  b.output(b.conv("c", b.cat({b.slice(x, 1, 0, INT64_MAX, 2), b.slice(x, 1, 1, 13, 2)}), 4));
  b.output(b.conv("d", b.slice(b.conv("e", x, 14), 1, 4, 12, 3), 4));
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  ASSERT_EQ(dependencies.subgraphs.size(), 2u);
  EXPECT_EQ(dependencies.subgraphs[0].units.size(), 7u);  // Pairs, and the last one alone.
  // 0, 1, 2 | 3-5, 6-8, 9-11 (one of each is read) | 12, 13
  EXPECT_EQ(dependencies.subgraphs[1].units.size(), 8u);
  expect_pruned(b.graph);
}

TEST(Exactness, IndicesThatTheModelHolds) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 6);
  Tensor order(ScalarType::kInt64, {7});
  const std::vector<int64_t> places = {5, 1, 0, -3, 5, 2, 1};
  std::copy(places.begin(), places.end(), order.mutable_data<int64_t>());
  const ValueId index = b.graph.add_binding(BindingKind::kBuffer, "order", order);
  const ValueId y =
      b.op("aten.index.Tensor", {{"self", x}, {"indices", Argument::List{Argument(), index}}}, {1, 7, 4, 4});
  b.output(b.conv("c", y, 4));
  expect_pruned(b.graph);
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  std::vector<bool> kept(6, true);
  kept[0] = kept[1] = false;
  const Graph pruned = apply_plan(b.graph, dependencies, plan_from_units(dependencies, kept, "none"));
  const Tensor left = pruned.find_binding("order")->data;
  EXPECT_EQ(left.to_doubles(), (std::vector<double>{3, 1, 3, 0}));  // Of 5, 3, 5, 2.
}

TEST(Exactness, ConstantAddedToEachChannel) {
  GraphBuilder b;
  const ValueId x = b.add(b.conv("a", b.input({1, 3, 4, 4}), 8), b.parameter("shift", {1, 8, 1, 1}));
  b.output(b.conv("c", b.binary("div", x, b.positive("scale", {8, 1, 1})), 4));
  expect_pruned(b.graph);
}

TEST(Exactness, Prelu) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 8);
  const ValueId y = b.op("aten.prelu.default", {{"self", x}, {"weight", b.parameter("prelu.weight", {8})}}, b.sizes(x));
  const ValueId z = b.op("aten.prelu.default", {{"self", y}, {"weight", b.parameter("one.weight", {1})}}, b.sizes(y));
  b.output(b.conv("c", z, 4));
  expect_pruned(b.graph);
}

TEST(Exactness, PixelShuffleAndUnshuffle) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 16);
  const ValueId y = b.op("aten.pixel_shuffle.default", {{"self", x}, {"upscale_factor", 2}}, {1, 4, 8, 8});
  const ValueId z = b.conv("b", y, 6);
  const ValueId u = b.op("aten.pixel_unshuffle.default", {{"self", z}, {"downscale_factor", 2}}, {1, 24, 4, 4});
  b.output(b.conv("c", u, 4));
  expect_pruned(b.graph);
}

TEST(Exactness, LinearUnflattenedToAnImage) {
  GraphBuilder b;
  const ValueId x = b.relu(b.linear("fc", b.input({2, 5}), 8 * 3 * 3));
  b.output(b.conv("c", b.view(x, {2, 8, 3, 3}), 4));
  expect_pruned(b.graph);
}

TEST(Exactness, ViewMergesBatchAndChannels) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({2, 3, 4, 4}), 8);
  const ValueId y = b.relu(b.view(x, {16, 1, 4, 4}));
  b.output(b.conv("c", b.view(y, {2, 8, 4, 4}), 4));
  expect_pruned(b.graph);
}

TEST(Exactness, SharedConvolutionUsedTwice) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 8);
  const ValueId weight = b.parameter("shared.weight", {8, 8, 1, 1});
  const auto shared = [&](ValueId v) {
    return b.op("aten.conv2d.default", {{"input", v}, {"weight", weight}}, b.sizes(v));
  };
  b.output(b.conv("c", shared(b.relu(shared(x))), 4));
  expect_pruned(b.graph);
}

TEST(Exactness, GroupNormGoesByWholeGroups) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 12);
  const ValueId y = b.op("aten.group_norm.default",
                         {{"input", x},
                          {"num_groups", 4},
                          {"weight", b.parameter("gn.weight", {12})},
                          {"bias", b.parameter("gn.bias", {12})}},
                         b.sizes(x));
  b.output(b.conv("c", y, 4));
  expect_pruned(b.graph);
}

TEST(Exactness, LayerNormPinsWhatItNormalises) {
  GraphBuilder b;
  const ValueId x = b.linear("a", b.input({2, 5, 6}), 8);
  const ValueId y = b.op(
      "aten.layer_norm.default",
      {{"input", x}, {"normalized_shape", Argument::ints({8})}, {"weight", b.parameter("ln.weight", {8})}}, b.sizes(x));
  b.output(b.linear("c", b.relu(b.linear("b", y, 12)), 4));
  expect_pruned(b.graph);
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  ASSERT_FALSE(dependencies.pinned.empty());
  EXPECT_EQ(dependencies.pinned[0].fqn, "a.weight");
  EXPECT_EQ(dependencies.pinned[0].pinned, 8);
  EXPECT_NE(dependencies.pinned[0].reason.what.find("layer normalisation"), std::string::npos);
}

TEST(Exactness, PadsChannelsOfAShortcut) {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 4, 4}), 4));
  const ValueId padded =
      b.op("aten.pad.default", {{"self", x}, {"pad", Argument::ints({0, 0, 0, 0, 2, 2})}}, {1, 8, 4, 4});
  b.output(b.conv("d", b.add(padded, b.conv("b", x, 8)), 4));
  expect_pruned(b.graph);
}

TEST(Exactness, MatrixProductWithTransposedParameter) {
  GraphBuilder b;
  const ValueId x = b.linear("a", b.input({2, 5}), 8);
  const ValueId weight = b.parameter("w", {6, 8});
  const ValueId t = b.op("aten.t.default", {{"self", weight}}, {8, 6});
  const ValueId y =
      b.op("aten.addmm.default", {{"self", b.parameter("bias", {6})}, {"mat1", b.relu(x)}, {"mat2", t}}, {2, 6});
  b.output(b.linear("c", b.relu(y), 4));
  const auto [before, after] = prune_and_prove(b.graph);
  EXPECT_LT(after, before / 2);  // Both hidden layers are cut.
}

TEST(Exactness, HeadsOfASplitProduct) {
  // Scores of 3 heads without softmax: q and k lose the same indices, head by head.
  GraphBuilder b;
  const ValueId in = b.input({2, 5, 6});
  const auto heads = [&](const char* name) {
    return b.permute(b.view(b.linear(name, in, 12), {2, 5, 3, 4}), {0, 2, 1, 3});
  };
  const ValueId q = heads("q"), k = b.permute(heads("k"), {0, 1, 3, 2}), v = heads("v");
  const ValueId scores = b.op("aten.matmul.default", {{"self", q}, {"other", k}}, {2, 3, 5, 5});
  const ValueId mixed = b.op("aten.matmul.default", {{"self", b.relu(scores)}, {"other", v}}, {2, 3, 5, 4});
  b.output(b.linear("o", b.view(b.permute(mixed, {0, 2, 1, 3}), {2, 5, 12}), 4));
  const auto [before, after] = prune_and_prove(b.graph);
  EXPECT_LT(after, before * 2 / 3);
}

TEST(Exactness, SumOverChannelsOnlyWhereZero) {
  GraphBuilder b;
  const ValueId in = b.input({1, 3, 4, 4});
  const ValueId zero = b.relu(b.conv("zero", in, 8)), not_zero = b.unary("sigmoid", b.conv("not_zero", in, 8));
  for (ValueId x : {zero, not_zero}) {
    b.output(
        b.op("aten.sum.dim_IntList", {{"self", x}, {"dim", Argument::ints({1})}, {"keepdim", true}}, {1, 1, 4, 4}));
  }
  expect_pruned(b.graph);
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  ASSERT_EQ(dependencies.subgraphs.size(), 1u);
  EXPECT_EQ(dependencies.subgraphs[0].name, "zero");
}

TEST(Exactness, UnknownOperatorPinsAndNamesItself) {
  GraphBuilder b;
  const ValueId x = b.conv("a", b.input({1, 3, 4, 4}), 8);
  const ValueId y = b.graph.add_operator("aten.no_such_thing.default", {{"self", x}},
                                         TensorType::of(ScalarType::kFloat32, b.sizes(x)));
  b.output(b.conv("c", y, 4));
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  EXPECT_EQ(dependencies.unit_count, 0);
  ASSERT_FALSE(dependencies.pinned.empty());
  EXPECT_NE(dependencies.pinned[0].reason.what.find("aten.no_such_thing.default"), std::string::npos);
}

}  // namespace
}  // namespace tinyml
