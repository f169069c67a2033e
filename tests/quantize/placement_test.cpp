#include "quantize/placement.h"

#include <gtest/gtest.h>

#include <set>

#include "quantize/graphs.h"

namespace tinyml::quantization {
namespace {

using testing::GraphBuilder;

std::set<ValueId> sites_of(const Placement& placement, Site::Kind kind = Site::Kind::kObserved) {
  std::set<ValueId> values;
  for (const Site& site : placement.sites) {
    if (site.kind == kind) values.insert(site.value);
  }
  return values;
}

TEST(Placement, AnActivationIsPartOfItsConvolution) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  const ValueId relu = b.relu(conv);
  b.output(relu);
  const Placement placement = solve_placement(b.graph, {});
  EXPECT_EQ(sites_of(placement), (std::set<ValueId>{x, relu}));
  ASSERT_EQ(placement.weights.size(), 1u);
  EXPECT_EQ(placement.weights[0].axis, 0);
  EXPECT_TRUE(placement.report.float_operators.empty());
}

TEST(Placement, AConvolutionReadTwiceKeepsItsOwnScale) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  const ValueId relu = b.relu(conv);
  const ValueId sum = b.add(conv, relu);
  b.output(sum);
  EXPECT_EQ(sites_of(solve_placement(b.graph, {})), (std::set<ValueId>{x, conv, relu, sum}));
}

TEST(Placement, AResidualSumIsRoundedAfterItsActivationOnly) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  const ValueId relu = b.relu(b.add(conv, x));
  b.output(relu);
  EXPECT_EQ(sites_of(solve_placement(b.graph, {})), (std::set<ValueId>{x, conv, relu}));
}

TEST(Placement, MovingOperatorsShareTheirInputsScale) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId relu = b.relu(b.conv(x, "conv", 4));
  const ValueId pooled = b.max_pool(relu);
  const ValueId flat = b.call("aten.flatten.using_ints", {{"self", pooled}, {"start_dim", 1}}, {1, 64});
  const ValueId linear = b.call("aten.linear.default", {{"input", flat}, {"weight", b.parameter("fc.weight", {5, 64})}},
                                {1, 5}, "fc", "torch.nn.modules.linear.Linear");
  b.output(linear);
  EXPECT_EQ(sites_of(solve_placement(b.graph, {})), (std::set<ValueId>{x, relu, linear}));
}

TEST(Placement, ATableHasScalesForItsRowsUnlessIntegersAloneReadThem) {
  GraphBuilder b;
  const ValueId ids = b.graph.add_input("ids", TensorType::of(ScalarType::kInt64, {1, 7}));
  const auto look_up = [&](const std::string& name) {
    return b.call("aten.embedding.default", {{"weight", b.parameter(name + ".weight", {9, 4})}, {"indices", ids}},
                  {1, 7, 4}, name, "torch.nn.modules.sparse.Embedding");
  };
  const ValueId read_by_integers = look_up("a"), read_by_both = look_up("b"), alone = look_up("c");
  const ValueId sum = b.add(read_by_integers, b.unary("aten.relu.default", read_by_both));
  const ValueId other = b.call("aten.cumsum.default", {{"self", read_by_both}, {"dim", 1}}, {1, 7, 4});
  for (const ValueId value : {sum, other, alone}) b.output(value);
  QuantizationScheme scheme;
  scheme.allow_float = true;
  const Placement placement = solve_placement(b.graph, scheme);
  std::set<NodeId> with_rows;
  for (const WeightSite& site : placement.weights) {
    with_rows.insert(site.node);
    EXPECT_EQ(site.axis, 0);
  }
  EXPECT_EQ(with_rows, (std::set<NodeId>{b.graph.value(read_by_both).producer, b.graph.value(alone).producer}));
  const std::set<ValueId> sites = sites_of(placement);
  EXPECT_TRUE(sites.contains(read_by_integers) && sites.contains(read_by_both));
  EXPECT_FALSE(sites.contains(alone));
}

TEST(Placement, AveragePoolingRoundsToItsInputsGrid) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId relu = b.relu(b.conv(x, "conv", 4));
  const ValueId moved = b.max_pool(relu);
  const ValueId pooled = b.average_pool(moved);
  const ValueId last = b.conv(pooled, "last", 4);
  b.output(last);
  const Placement placement = solve_placement(b.graph, {});
  EXPECT_EQ(sites_of(placement), (std::set<ValueId>{x, relu, last}));
  EXPECT_EQ(sites_of(placement, Site::Kind::kRequantized), (std::set<ValueId>{pooled}));
  for (const Site& site : placement.sites) {
    if (site.value == pooled) {
      EXPECT_EQ(site.source, relu);
    }
  }
}

TEST(Placement, FixedScalesAreTheTargets) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  const ValueId gate = b.unary("aten.sigmoid.default", conv);
  b.output(gate);
  const Placement placement = solve_placement(b.graph, {});
  EXPECT_EQ(sites_of(placement), (std::set<ValueId>{x, conv}));
  ASSERT_EQ(sites_of(placement, Site::Kind::kFixed), (std::set<ValueId>{gate}));
  EXPECT_FLOAT_EQ(placement.sites.back().fixed.scale, 1.0f / 256.0f);
  EXPECT_EQ(placement.sites.back().fixed.zero_point, -128);
}

TEST(Placement, WhatIsComputedForAConcatenationTakesItsScale) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId stem = b.relu(b.conv(x, "stem", 4));
  const ValueId left = b.relu(b.conv(stem, "left", 4));
  const ValueId right = b.conv(stem, "right", 4);
  const ValueId joined = b.cat({left, right, stem});
  const ValueId last = b.conv(joined, "last", 4);
  b.output(last);
  EXPECT_EQ(sites_of(solve_placement(b.graph, {})), (std::set<ValueId>{x, stem, joined, last}));
  const QuantizationScheme each = parse_scheme("concatenation: requantize");
  EXPECT_EQ(sites_of(solve_placement(b.graph, each)), (std::set<ValueId>{x, stem, left, right, joined, last}));
}

TEST(Placement, ConcatenationsOfTheSameValuesShareTheScaleOfTheLargest) {
  for (const bool accumulates : {false, true}) {  // cat(all values so far), or cat(last concatenation, new value)
    GraphBuilder b;
    const ValueId x = b.input("x", {1, 3, 8, 8});
    const ValueId stem = b.conv(x, "stem", 4);
    const ValueId first = b.conv(stem, "first", 4);
    const ValueId two = b.cat({stem, first});
    const ValueId second = b.unary("aten.alias.default", b.conv(two, "second", 4));
    const ValueId three = accumulates ? b.cat({two, second}) : b.cat({stem, first, second});
    const ValueId third = b.conv(three, "third", 4);
    const ValueId four = accumulates ? b.cat({three, third}) : b.cat({stem, first, second, third});
    const ValueId other = b.cat({first, x});
    b.output(b.conv(b.cat({b.conv(four, "last", 4), b.conv(other, "other", 4)}), "head", 2));
    const Placement placement = solve_placement(b.graph, {});
    const std::set<ValueId> sites = sites_of(placement);
    for (const ValueId value : {second, third}) EXPECT_FALSE(sites.contains(value));
    EXPECT_TRUE(sites.contains(first));  // `other` has another scale
    EXPECT_EQ(sites_of(placement, Site::Kind::kRequantized), (std::set<ValueId>{two, three}));
    for (const Site& site : placement.sites) {
      EXPECT_EQ(site.source, site.kind == Site::Kind::kRequantized ? four : kNoValue);
    }
  }
}

TEST(Placement, AFixedScaleIsNotPulledIntoAConcatenation) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId left = b.conv(x, "left", 4);
  const ValueId gate = b.unary("aten.tanh.default", b.conv(x, "right", 4));
  const ValueId joined = b.cat({left, gate});
  b.output(joined);
  const Placement placement = solve_placement(b.graph, {});
  EXPECT_TRUE(sites_of(placement).contains(joined));
  EXPECT_FALSE(sites_of(placement).contains(left));
  EXPECT_EQ(sites_of(placement, Site::Kind::kFixed), (std::set<ValueId>{gate}));
}

TEST(Placement, PartsOfOneTensorJoinedAgainKeepItsScale) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  const auto part = [&](int64_t start) {
    return b.call("aten.slice.Tensor", {{"self", conv}, {"dim", 1}, {"start", start}, {"end", start + 2}},
                  {1, 2, 8, 8});
  };
  const ValueId first = part(0);
  const ValueId swapped = b.cat({part(2), first});
  const ValueId last = b.conv(swapped, "last", 4);
  b.output(last);
  EXPECT_EQ(sites_of(solve_placement(b.graph, {})), (std::set<ValueId>{x, conv, last}));
}

TEST(Placement, FloatOperatorsAreListedWithReasonsAndNeighboursStayQuantized) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  const ValueId normed =
      b.call("aten.layer_norm.default", {{"input", conv}, {"normalized_shape", Argument::ints({8})}}, {1, 4, 8, 8});
  const ValueId odd = b.unary("aten.sgn.default", normed);
  const ValueId last = b.conv(odd, "last", 4);
  b.output(last);
  const Placement placement = solve_placement(b.graph, {});
  EXPECT_EQ(sites_of(placement), (std::set<ValueId>{x, conv, odd, last}));
  ASSERT_EQ(placement.report.float_operators.size(), 2u);
  EXPECT_EQ(placement.report.float_operators[0].op, "aten.layer_norm.default");
  EXPECT_EQ(placement.report.float_operators[1].reason, "there is no quantization rule for this operator");
}

TEST(Placement, AnIgnoredLayerStaysFloatWithItsActivation) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId first = b.relu(b.conv(x, "first", 4));
  const ValueId second = b.relu(b.conv(first, "second", 4));
  b.output(second);
  QuantizationScheme scheme;
  scheme.layers.push_back({"second", true, false, false, std::nullopt, std::nullopt});
  const Placement placement = solve_placement(b.graph, scheme);
  EXPECT_EQ(sites_of(placement), (std::set<ValueId>{x, first}));
  EXPECT_EQ(placement.weights.size(), 1u);
  EXPECT_EQ(placement.report.float_operators.size(), 2u);
}

TEST(Placement, NothingIsQuantizedWhereNothingComputes) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  b.output(b.max_pool(x));
  EXPECT_TRUE(solve_placement(b.graph, {}).sites.empty());
}

TEST(Placement, ConstantOperandsAreWeights) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId scale = b.parameter("scale", {1, 4, 1, 1});
  const ValueId scaled = b.call("aten.mul.Tensor", {{"self", x}, {"other", scale}}, {1, 4, 8, 8});
  b.output(scaled);
  const Placement placement = solve_placement(b.graph, {});
  ASSERT_EQ(placement.weights.size(), 1u);
  EXPECT_EQ(placement.weights[0].arg, 1u);
  EXPECT_EQ(placement.weights[0].axis, -1);
}

/// A chain of three layers, the middle one of 16 bits, a pooling before the last.
TEST(Placement, LayersOfAnotherWidthGetValuesOfTheirs) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId first = b.relu(b.conv(x, "first", 4));
  const ValueId second = b.conv(first, "second", 4);
  const ValueId pooled = b.max_pool(second);
  b.output(b.conv(pooled, "third", 4));
  QuantizationScheme scheme = parse_scheme("quantize_op_action: {second: int16}");
  Placement placement = solve_placement(b.graph, scheme);
  ASSERT_EQ(placement.widths.size(), 2u);
  EXPECT_EQ(placement.widths[0].value, first);
  EXPECT_EQ(placement.widths[0].scheme.quant_max, 32767);
  EXPECT_EQ(placement.widths[1].value, pooled);
  EXPECT_EQ(placement.widths[1].scheme.quant_max, 127);
  // What nobody makes on integers has the width of its readers.
  scheme = parse_scheme("quantize_op_action: {first: int16}");
  placement = solve_placement(b.graph, scheme);
  EXPECT_EQ(placement.sites[0].scheme.quant_max, 32767);
  ASSERT_EQ(placement.widths.size(), 1u);
  const Graph quantized = quantize(b.graph, scheme);
  verify(quantized);
  size_t fake_quants = 0;
  for (const NodeId id : quantized.nodes())
    fake_quants += quantized.node(id).op.find("per_tensor") != std::string::npos;
  EXPECT_EQ(fake_quants, 5u);  // input, three results, one of them in both widths
}

TEST(Placement, AConcatenationOfAnotherWidthPullsNothing) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId left = b.conv(x, "left", 4);
  const ValueId right = b.conv(x, "right", 4);
  b.output(b.cat({left, right}));
  const Placement placement = solve_placement(b.graph, parse_scheme("quantize_op_action: {left: int16}"));
  EXPECT_TRUE(sites_of(placement).contains(left));
  EXPECT_FALSE(sites_of(placement).contains(right));
  ASSERT_EQ(placement.widths.size(), 2u);  // the input for the one, its result for the other
}

}  // namespace
}  // namespace tinyml::quantization
