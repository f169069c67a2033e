#include "quantize/rewrite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "quantize/graphs.h"
#include "tinyml/evaluate.h"
#include "tinyml/quantize.h"

namespace tinyml::quantization {
namespace {

using testing::GraphBuilder;

Tensor waves(const std::vector<int64_t>& sizes) {
  Tensor tensor(ScalarType::kFloat32, sizes);
  float* data = tensor.mutable_data<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) data[i] = static_cast<float>(std::sin(1.7 * static_cast<double>(i)));
  return tensor;
}

std::set<std::string> operators_of(const Graph& graph) {
  std::set<std::string> names;
  for (const NodeId id : graph.nodes()) names.insert(graph.node(id).op);
  return names;
}

QuantizationScheme asking_for(const std::string& pattern) {
  return parse_scheme("quantize_op_action: {\"" + pattern + "\": rewrite}");
}

/// Rewrites, checks that `op` is gone and that the results are those of before.
Graph expect_same_without(const GraphBuilder& b, const std::string& op, const QuantizationScheme& scheme = {}) {
  const Graph rewritten = rewrite(b.graph, scheme);
  verify(rewritten);
  EXPECT_FALSE(operators_of(rewritten).contains(op)) << to_string(rewritten);
  std::vector<Tensor> inputs;
  for (const Input& input : b.graph.inputs()) inputs.push_back(waves(b.graph.tensor_type(input.value).sizes()));
  const std::vector<Tensor> expected = evaluate(b.graph, inputs);
  const std::vector<Tensor> actual = evaluate(rewritten, inputs);
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].shape(), expected[i].shape());
    const std::vector<double> a = actual[i].to_doubles();
    const std::vector<double> e = expected[i].to_doubles();
    for (size_t j = 0; j < e.size(); ++j) EXPECT_NEAR(a[j], e[j], 1e-5) << op << " " << i << " " << j;
  }
  return rewritten;
}

/// lstm.input or gru.input with weights for each layer and direction.
GraphBuilder recurrent(const std::string& op, int64_t gates, int64_t layers, bool both_ways, bool batch_first,
                       int64_t steps) {
  GraphBuilder b;
  constexpr int64_t kBatch = 2;
  constexpr int64_t kIn = 3;
  constexpr int64_t kSize = 4;
  const int64_t ways = both_ways ? 2 : 1;
  const ValueId x =
      b.input("x", batch_first ? std::vector<int64_t>{kBatch, steps, kIn} : std::vector<int64_t>{steps, kBatch, kIn});
  const ValueId hidden = b.input("h", {layers * ways, kBatch, kSize});
  Argument::List params;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (int64_t way = 0; way < ways; ++way) {
      const std::string end = std::to_string(layer) + (way == 1 ? "_reverse" : "");
      const int64_t width = layer == 0 ? kIn : ways * kSize;
      params.emplace_back(b.parameter("rnn.weight_ih_l" + end, {gates * kSize, width}));
      params.emplace_back(b.parameter("rnn.weight_hh_l" + end, {gates * kSize, kSize}));
      params.emplace_back(b.parameter("rnn.bias_ih_l" + end, {gates * kSize}));
      params.emplace_back(b.parameter("rnn.bias_hh_l" + end, {gates * kSize}, 0.1));
    }
  }
  Node node;
  node.op = op;
  Argument states = hidden;
  if (gates == 4) states = Argument::List{hidden, b.input("c", {layers * ways, kBatch, kSize})};
  node.args = make_args(op, {{"input", x},
                             {"hx", states},
                             {"params", params},
                             {"has_biases", true},
                             {"num_layers", layers},
                             {"dropout", 0.0},
                             {"train", false},
                             {"bidirectional", both_ways},
                             {"batch_first", batch_first}});
  std::vector<int64_t> sizes = b.graph.tensor_type(x).sizes();
  sizes[2] = ways * kSize;
  node.outputs.push_back(b.graph.add_value("y", TensorType::of(ScalarType::kFloat32, sizes)));
  for (size_t i = 0; i < (gates == 4 ? 2U : 1U); ++i) {
    node.outputs.push_back(b.graph.add_value("state", b.graph.tensor_type(hidden)));
  }
  node.metadata.module_stack = {
      {"L__self__", "", "user.Model"},
      {"L__self___rnn", "rnn", gates == 4 ? "torch.nn.modules.rnn.LSTM" : "torch.nn.modules.rnn.GRU"}};
  const std::vector<ValueId> outputs = node.outputs;
  b.graph.add_node(std::move(node));
  for (const ValueId output : outputs) b.output(output);
  return b;
}

TEST(Rewrite, RecurrentLayersStepByStep) {
  for (const bool batch_first : {false, true}) {
    expect_same_without(recurrent("aten.lstm.input", 4, 2, true, batch_first, 3), "aten.lstm.input");
    expect_same_without(recurrent("aten.gru.input", 3, 1, false, batch_first, 1), "aten.gru.input");
    expect_same_without(recurrent("aten.gru.input", 3, 2, true, batch_first, 3), "aten.gru.input");
  }
}

TEST(Rewrite, RecurrentLayersOfVeryManyStepsStay) {
  const GraphBuilder b = recurrent("aten.gru.input", 3, 1, false, false, 3000);
  EXPECT_TRUE(operators_of(rewrite(b.graph)).contains("aten.gru.input"));
  const QuantizationScheme scheme = parse_scheme("quantize_op_action: {gru: float}");
  EXPECT_TRUE(operators_of(rewrite(recurrent("aten.gru.input", 3, 1, false, false, 2).graph, scheme))
                  .contains("aten.gru.input"));
}

TEST(Rewrite, StepsOfARecurrentLayerShareTheirFakeQuants) {
  const GraphBuilder b = recurrent("aten.lstm.input", 4, 1, false, true, 5);
  QuantizationReport report;
  const Graph quantized = quantize(rewrite(b.graph), {}, &report);
  size_t products = 0;
  std::set<ValueId> scales;
  for (const NodeId id : quantized.nodes()) {
    const Node& node = quantized.node(id);
    products += node.op == "aten.linear.default" ? 1 : 0;
    if (node.op.starts_with("aten.fake_quantize_per_tensor")) scales.insert(node.arg("scale").as_value());
  }
  EXPECT_EQ(products, 6U);
  EXPECT_EQ(scales.size(), 4U);  // input, gates of input and state, state
  EXPECT_EQ(report.quantized_macs, report.macs);
}

TEST(Rewrite, NormalizationsWhereAsked) {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 4, 3, 5});
  const ValueId layer = b.call("aten.layer_norm.default",
                               {{"input", x},
                                {"normalized_shape", Argument::ints({3, 5})},
                                {"weight", b.parameter("weight", {3, 5}, 0.5)},
                                {"bias", b.parameter("bias", {3, 5})}},
                               {2, 4, 3, 5});
  const ValueId groups =
      b.call("aten.group_norm.default",
             {{"input", layer}, {"num_groups", 2}, {"weight", b.parameter("scale", {4}, 0.5)}}, {2, 4, 3, 5});
  b.output(groups);
  EXPECT_EQ(operators_of(rewrite(b.graph)), operators_of(b.graph));
  const Graph one = expect_same_without(b, "aten.layer_norm.default", asking_for("layer_norm"));
  EXPECT_TRUE(operators_of(one).contains("aten.group_norm.default"));
  expect_same_without(b, "aten.group_norm.default", asking_for("*_norm"));
  EXPECT_THROW(rewrite(b.graph, asking_for("softmax")), Error);
}

TEST(Rewrite, AttentionWhereAsked) {
  GraphBuilder b;
  const ValueId query = b.input("query", {1, 2, 3, 4});
  const ValueId key = b.input("key", {1, 2, 5, 4});
  const ValueId value = b.input("value", {1, 2, 5, 6});
  const ValueId mask = b.parameter("mask", {3, 5});
  b.output(b.call("aten.scaled_dot_product_attention.default",
                  {{"query", query}, {"key", key}, {"value", value}, {"attn_mask", mask}}, {1, 2, 3, 6}));
  const Graph products = expect_same_without(b, "aten.scaled_dot_product_attention.default", asking_for("*attention"));
  QuantizationReport report;
  quantize(products, asking_for("*attention"), &report);
  EXPECT_TRUE(report.float_operators.empty()) << report.to_string();
}

}  // namespace
}  // namespace tinyml::quantization
