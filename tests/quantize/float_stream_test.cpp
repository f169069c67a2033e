#include "quantize/float_stream.h"

#include <gtest/gtest.h>

#include "quantize/graphs.h"
#include "quantize/placement.h"

namespace tinyml::quantization {
namespace {

using testing::GraphBuilder;

class TransformerBuilder : public GraphBuilder {
 public:
  ValueId norm(ValueId x) {
    return call("aten.layer_norm.default", {{"input", x}, {"normalized_shape", Argument::ints({8})}}, sizes(x));
  }
  ValueId linear(ValueId x, const std::string& path) {
    return call("aten.linear.default", {{"input", x}, {"weight", parameter(path + ".weight", {8, 8})}}, sizes(x), path,
                "torch.nn.modules.linear.Linear");
  }
  ValueId matmul(ValueId a, ValueId b) { return call("aten.matmul.default", {{"self", a}, {"other", b}}, sizes(a)); }
  ValueId mean(ValueId x) { return call("aten.mean.dim", {{"self", x}, {"dim", Argument::ints({1})}}, {1, 8}); }
  ValueId softmax(ValueId x) { return call("aten.softmax.int", {{"self", x}, {"dim", int64_t{-1}}}, sizes(x)); }

 private:
  std::vector<int64_t> sizes(ValueId x) { return graph.tensor_type(x).sizes(); }
};

std::set<ValueId> sites_of(const GraphBuilder& b, const QuantizationScheme& scheme = {}) {
  std::set<ValueId> values;
  for (const Site& site : solve_placement(b.graph, scheme).sites) values.insert(site.value);
  return values;
}

TEST(FloatStream, ResidualSumsStayFloatAndLinearLayersDoNot) {
  TransformerBuilder b;
  const ValueId x = b.input("x", {1, 8, 8});
  const ValueId embedded = b.linear(x, "embed");
  const ValueId sum = b.add(embedded, b.parameter("position", {1, 8, 8}));
  const ValueId normed = b.norm(sum);
  const ValueId hidden = b.linear(normed, "hidden");
  const ValueId active = b.unary("aten.gelu.default", hidden);
  const ValueId back = b.linear(active, "back");
  const ValueId last = b.norm(b.add(sum, back));
  const ValueId head = b.linear(last, "head");
  b.output(head);
  EXPECT_EQ(sites_of(b), (std::set<ValueId>{x, embedded, normed, hidden, active, back, last, head}));
  QuantizationScheme integers;
  integers.float_residual = false;
  EXPECT_TRUE(sites_of(b, integers).contains(sum));
}

TEST(FloatStream, ScoresStayFloatBetweenTheProducts) {
  TransformerBuilder b;
  const ValueId x = b.input("x", {1, 8, 8});
  const ValueId query = b.linear(x, "query");
  const ValueId key = b.linear(x, "key");
  const ValueId scores = b.add(b.matmul(query, key), b.parameter("mask", {8, 8}));
  const ValueId mixed = b.matmul(b.softmax(scores), key);
  const ValueId last = b.linear(mixed, "last");
  b.output(last);
  EXPECT_EQ(sites_of(b), (std::set<ValueId>{x, query, key, mixed, last}));
}

TEST(FloatStream, FloatReadersGetTheValueAndIntegerOnesItsFakeQuant) {
  TransformerBuilder b;
  const ValueId x = b.input("x", {1, 8, 8});
  const ValueId normed = b.norm(b.linear(x, "embed"));  // normalized sums, as in BERT
  const ValueId sum = b.add(normed, b.linear(normed, "inner"));
  const ValueId again = b.norm(sum);
  const ValueId pooled = b.mean(again);
  b.output(pooled);
  const Graph quantized = quantize(b.graph);
  const auto reads_fake_quant = [&](ValueId result, std::string_view name) {
    const Value& read = quantized.value(quantized.node(quantized.value(result).producer).arg(name).as_value());
    return quantized.node(read.producer).op.find("fake_quantize") != std::string::npos;
  };
  EXPECT_FALSE(reads_fake_quant(sum, "self"));
  EXPECT_TRUE(reads_fake_quant(sum, "other"));
  EXPECT_FALSE(reads_fake_quant(again, "input"));
  EXPECT_TRUE(reads_fake_quant(pooled, "self"));
}

TEST(FloatStream, WhatALayerReadsItselfKeepsItsIntegers) {
  TransformerBuilder b;
  const ValueId x = b.input("x", {1, 8, 8});
  const ValueId first = b.linear(x, "first");
  const ValueId sum = b.add(first, x);
  const ValueId second = b.linear(sum, "second");
  const ValueId relu = b.relu(second);
  const ValueId table = b.unary("aten.silu.default", second);
  b.output(b.norm(sum));
  b.output(b.norm(relu));
  b.output(b.norm(table));
  const std::set<ValueId> sites = sites_of(b);
  EXPECT_TRUE(sites.contains(sum));
  EXPECT_TRUE(sites.contains(relu));
  EXPECT_TRUE(sites.contains(table));
}

}  // namespace
}  // namespace tinyml::quantization
