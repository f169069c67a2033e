#include "tinyml/lower.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tinyml {
namespace {

using tflite::Op;

Tensor ramp(std::vector<int64_t> shape) {
  Tensor tensor(ScalarType::kFloat32, std::move(shape));
  const int64_t count = tensor.numel();
  float* values = tensor.mutable_data<float>();
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return tensor;
}

ValueId convolve(Graph& graph, ValueId x, ValueId weight, std::vector<int64_t> sizes, int64_t stride, int64_t padding) {
  return graph.add_operator("aten.conv2d.default",
                            {{"input", x},
                             {"weight", weight},
                             {"bias", {}},
                             {"stride", Argument::ints({stride, stride})},
                             {"padding", Argument::ints({padding, padding})},
                             {"dilation", Argument::ints({1, 1})},
                             {"groups", 1}},
                            TensorType::of(ScalarType::kFloat32, sizes));
}

ValueId unary(Graph& graph, const std::string& op, ValueId x) {
  return graph.add_operator(op, {{"self", x}}, graph.tensor_type(x));
}

std::vector<Op> operators_of(const tflite::Model& model) {
  std::vector<Op> ops;
  for (const tflite::Operator& op : model.subgraphs[0].operators) ops.push_back(op.op);
  return ops;
}

TEST(Lower, EmitsAConvolutionInLogicalOrder) {
  Graph graph;
  const ValueId x = graph.add_input("image", TensorType::of(ScalarType::kFloat32, {1, 3, 8, 8}));
  const ValueId weight = graph.add_binding(BindingKind::kParameter, "conv.weight", ramp({4, 3, 3, 3}));
  const ValueId y = unary(graph, "aten.relu.default", convolve(graph, x, weight, {1, 4, 8, 8}, 1, 1));
  graph.add_output({y, OutputKind::kUser, ""});
  const tflite::Model model = lower(graph);
  EXPECT_EQ(operators_of(model), (std::vector<Op>{Op::PAD, Op::CONV_2D, Op::RELU}));
  const tflite::Subgraph& main = model.subgraphs[0];
  EXPECT_TRUE(main.operators[1].channels_first);
  const tflite::Tensor& weights = main.tensors[static_cast<size_t>(main.operators[1].inputs[1])];
  EXPECT_EQ(weights.name, "conv.weight");
  EXPECT_EQ(weights.shape, (tflite::Shape{4, 3, 3, 3}));
  ASSERT_EQ(model.signatures.size(), 1U);
  EXPECT_EQ(model.signatures[0].inputs[0].first, "image");
  EXPECT_EQ(model.signatures[0].outputs[0].first, "output");
}

TEST(Lower, SharesTheWeightsWithTheGraph) {
  Graph graph;
  const ValueId x = graph.add_input("image", TensorType::of(ScalarType::kFloat32, {1, 3, 8, 8}));
  const ValueId weight = graph.add_binding(BindingKind::kParameter, "conv.weight", ramp({4, 3, 3, 3}));
  graph.add_output({convolve(graph, x, weight, {1, 4, 6, 6}, 1, 0), OutputKind::kUser, ""});
  const tflite::Model model = lower(graph);
  const tflite::Subgraph& main = model.subgraphs[0];
  const tflite::Tensor& weights = main.tensors[static_cast<size_t>(main.operators[0].inputs[1])];
  EXPECT_EQ(weights.buffer.data(), graph.find_binding("conv.weight")->data.bytes());
}

TEST(Lower, PadsOnlyWhatTheWindowsTouch) {
  Graph graph;
  const ValueId x = graph.add_input("image", TensorType::of(ScalarType::kFloat32, {1, 3, 8, 8}));
  const ValueId weight = graph.add_binding(BindingKind::kParameter, "weight", ramp({4, 3, 3, 3}));
  graph.add_output({convolve(graph, x, weight, {1, 4, 4, 4}, 2, 1), OutputKind::kUser, ""});
  const tflite::Subgraph main = lower(graph).subgraphs[0];
  ASSERT_EQ(main.operators[0].op, Op::PAD);
  const auto paddings = main.tensors[static_cast<size_t>(main.operators[0].inputs[1])].buffer.as<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(paddings.begin(), paddings.end()), (std::vector<int32_t>{0, 0, 0, 0, 1, 0, 1, 0}));
}

TEST(Lower, ReportsEveryProblemAtOnce) {
  Graph graph;
  TensorType dynamic = TensorType::of(ScalarType::kFloat32, {2, 3});
  dynamic.shape[0] = Dim(SymExpr::parse("Symbol('s0', positive=True, integer=True)"), 2);
  const ValueId x = graph.add_input("x", dynamic);
  const ValueId complex = graph.add_input("z", TensorType::of(ScalarType::kComplex64, {2}));
  const ValueId a = unary(graph, "aten.first_unknown.default", x);
  const ValueId b = unary(graph, "aten.second_unknown.default", unary(graph, "aten.relu.default", a));
  graph.add_output({b, OutputKind::kUser, ""});
  graph.add_output({complex, OutputKind::kUser, ""});
  try {
    lower(graph);
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.diagnostics().size(), 3U) << text;
    for (const char* part : {"first_unknown", "second_unknown", "complex64"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " not in: " << text;
    }
  }
}

TEST(Lower, RefusesStateThatIsNotAStatistic) {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {2}));
  graph.add_binding(BindingKind::kBuffer, "memory", ramp({2}));
  const ValueId y = unary(graph, "aten.relu.default", x);
  graph.add_output({y, OutputKind::kBufferMutation, "memory"});
  graph.add_output({y, OutputKind::kUser, ""});
  EXPECT_THROW(lower(graph), Error);
}

TEST(Lower, FakeQuantizationBecomesQuantizeAndDequantize) {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {1, 4}));
  const ValueId y = graph.add_operator(
      "aten.fake_quantize_per_tensor_affine.default",
      {{"self", x}, {"scale", 0.5}, {"zero_point", 3}, {"quant_min", 0}, {"quant_max", 255}}, graph.tensor_type(x));
  graph.add_output({y, OutputKind::kUser, ""});
  const tflite::Model model = lower(graph);
  ASSERT_EQ(operators_of(model), (std::vector<Op>{Op::QUANTIZE, Op::DEQUANTIZE}));
  const tflite::Tensor& q = model.subgraphs[0].tensors[static_cast<size_t>(model.subgraphs[0].operators[0].outputs[0])];
  EXPECT_EQ(q.type, tflite::Type::INT8);
  EXPECT_EQ(q.quantization.scale, std::vector<float>{0.5F});
  EXPECT_EQ(q.quantization.zero_point, std::vector<int64_t>{-125});
}

TEST(Lower, OperatorNamesAreSorted) {
  const std::vector<std::string> names = lowerable_operators();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_TRUE(std::binary_search(names.begin(), names.end(), "aten.conv2d.default"));
}

}  // namespace
}  // namespace tinyml
