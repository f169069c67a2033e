#include "tinyml/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quantize/graphs.h"
#include "tinyml/evaluate.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

size_t count(const Graph& graph, std::string_view op) {
  size_t found = 0;
  for (const NodeId id : graph.nodes()) found += graph.node(id).op == op ? 1 : 0;
  return found;
}

Graph conv_bn_relu() {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  b.output(b.relu(b.batch_norm(b.conv(x, "conv", 4, 3, true), "bn")));
  return b.graph;
}

Tensor ramp_input() {
  Tensor x(ScalarType::kFloat32, {1, 3, 8, 8});
  for (int i = 0; i < 192; ++i) x.mutable_data<float>()[i] = static_cast<float>(i % 17) / 8.0f - 1.0f;
  return x;
}

TEST(Fuse, FoldedConvolutionComputesTheSame) {
  const Graph graph = conv_bn_relu();
  const Graph fused = fuse(graph);
  EXPECT_EQ(count(fused, "aten.batch_norm.default"), 0u);
  EXPECT_NE(fused.find_binding("conv.bn.running_var"), nullptr);
  EXPECT_EQ(fused.find_binding("bn.weight"), nullptr);
  EvaluateOptions options;
  options.float64 = true;
  const std::vector<double> before = evaluate(graph, {ramp_input()}, options)[0].to_doubles();
  const std::vector<double> after = evaluate(fused, {ramp_input()}, options)[0].to_doubles();
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-9);
}

TEST(Fuse, LeavesANormWhoseInputIsReadElsewhere) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId conv = b.conv(x, "conv", 4);
  b.output(b.add(b.batch_norm(conv, "bn"), conv));
  EXPECT_EQ(count(fuse(b.graph), "aten.batch_norm.default"), 1u);
}

TEST(Quantize, NamesModulesAndKeepsTheGraphInOrder) {
  const Graph quantized = quantize(fuse(conv_bn_relu()));
  verify(quantized);
  EXPECT_NE(quantized.find_binding("conv.weight_fq.scale"), nullptr);
  EXPECT_NE(quantized.find_binding("fq_relu.scale"), nullptr);
  EXPECT_NE(quantized.find_binding("fq_x.zero_point"), nullptr);
  EXPECT_EQ(quantized.find_binding("conv.weight_fq.scale")->data.shape(), (std::vector<int64_t>{4}));
  const Node& last = quantized.node(quantized.nodes().back());
  EXPECT_EQ(last.op, "aten.fake_quantize_per_tensor_affine.tensor_qparams");
  EXPECT_EQ(last.metadata.module_stack.back().type, "tinyml.nn.fake_quantize.FakeQuantize");
  EXPECT_EQ(last.metadata.other.at("tinyml.observer"), "moving_average");
  EXPECT_EQ(quantized.outputs()[0].value.as_value(), last.output());
}

TEST(Quantize, WeightScalesReachTheLargestFoldedWeight) {
  const Graph fused = fuse(conv_bn_relu());
  const Graph quantized = quantize(fused);
  const Tensor& scales = quantized.find_binding("conv.weight_fq.scale")->data;
  std::vector<double> folded;
  EvaluateOptions options;
  options.on_value = [&](ValueId id, const Tensor& tensor) {
    const bool computed = fused.value(id).producer != kNoNode;
    if (computed && tensor.shape() == std::vector<int64_t>{4, 3, 3, 3}) folded = tensor.to_doubles();
  };
  evaluate(fused, {ramp_input()}, options);
  ASSERT_EQ(folded.size(), 108u);
  for (size_t channel = 0; channel < 4; ++channel) {
    double largest = 0.0;
    for (size_t i = 0; i < 27; ++i) largest = std::max(largest, std::abs(folded[27 * channel + i]));
    EXPECT_NEAR(static_cast<double>(scales.data<float>()[channel]), largest / 127.0, 1e-6 * largest);
  }
}

TEST(Quantize, ASharedActivationModuleGetsAFakeQuantForEachCall) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const auto act = [&](ValueId v) {
    return b.call("aten.relu.default", {{"self", v}}, {1, 4, 8, 8}, "act", "torch.nn.modules.activation.ReLU");
  };
  b.output(act(b.conv(act(b.conv(x, "a", 4)), "b", 4)));
  const Graph quantized = quantize(b.graph);
  EXPECT_NE(quantized.find_binding("fq_act.scale"), nullptr);
  EXPECT_NE(quantized.find_binding("fq_act_1.scale"), nullptr);
}

TEST(Quantize, RefusesAModelWithFakeQuants) {
  const Graph quantized = quantize(fuse(conv_bn_relu()));
  EXPECT_THROW(quantize(quantized), Error);
}

TEST(Quantize, RefusesARuleThatNamesNothing) {
  QuantizationScheme scheme;
  scheme.layers.push_back({"convv", true, false, false, std::nullopt, std::nullopt});
  try {
    quantize(fuse(conv_bn_relu()), scheme);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is 'conv' meant?"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tinyml
