#include "tflite/passes/passes.h"

#include <gtest/gtest.h>

#include <set>

#include "tflite/builder.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

using testing::Builder;
using testing::count;

// What is left after all passes, "CONV_2D RELU ..." in execution order.
std::vector<Op> optimized(Model model, Model* result = nullptr, OptimizeOptions options = {}) {
  optimize(model, options);
  verify(model);
  std::vector<Op> ops;
  for (const Operator& op : model.subgraphs[0].operators) ops.push_back(op.op);
  if (result != nullptr) *result = model;
  return ops;
}

using Ops = std::vector<Op>;

TEST(FoldAffine, TakesInBatchNormAndActivation) {
  Builder b;
  const int x = b.convolution(b.input({1, 3, 8, 8}), 4);
  const int normalised = b.binary(Op::ADD, b.binary(Op::MUL, x, b.constant({4, 1, 1})), b.constant({4, 1, 1}));
  Model result;
  EXPECT_EQ(optimized(b.finish({b.unary(Op::RELU6, normalised)}), &result), Ops{Op::CONV_2D});
  EXPECT_EQ(std::get<Conv2DOptions>(result.subgraphs[0].operators[0].options).activation, Activation::RELU6);
}

TEST(FoldAffine, ComputesTheNewWeights) {
  Builder b;
  const int x = b.input({1, 2, 1, 1});
  const int w = b.graph().add_constant("w", std::vector<float>{1, 2, 3, 4}, Shape{2, 2, 1, 1});
  const int bias = b.graph().add_constant("b", std::vector<float>{1, -1}, Shape{2});
  const int y = b.graph().add_tensor("y", Type::FLOAT32, {1, 2, 1, 1});
  b.graph().add_operator(Op::CONV_2D, {x, w, bias}, {y}, Conv2DOptions{}, true);
  const int scale = b.graph().add_constant("s", std::vector<float>{2, 10}, Shape{1, 2, 1, 1});
  const int shift = b.graph().add_constant("t", std::vector<float>{0.5F, 0.25F}, Shape{1, 2, 1, 1});
  Model result;
  optimized(b.finish({b.binary(Op::SUB, b.binary(Op::MUL, y, scale), shift)}), &result);
  const Subgraph& g = result.subgraphs[0];
  ASSERT_EQ(g.operators.size(), 1U);
  const auto values = [&](size_t input) {
    const auto span = g.tensors[static_cast<size_t>(g.operators[0].inputs[input])].buffer.as<float>();
    return std::vector<float>(span.begin(), span.end());
  };
  EXPECT_EQ(values(1), (std::vector<float>{2, 4, 30, 40}));
  EXPECT_EQ(values(2), (std::vector<float>{1.5F, -10.25F}));
}

TEST(FoldAffine, LeavesValuesThatOthersRead) {
  Builder b;
  const int x = b.convolution(b.input({1, 3, 8, 8}), 4);
  const int scaled = b.binary(Op::MUL, x, b.constant({4, 1, 1}));
  EXPECT_EQ(optimized(b.finish({scaled, x})).size(), 2U);
}

TEST(FormDepthwiseAffine, MergesNormalisationThatStandsAlone) {
  Builder b;
  const int x = b.max_pool(b.input({1, 4, 8, 8}));
  const int y = b.binary(Op::ADD, b.binary(Op::MUL, x, b.constant({4, 1, 1})), b.constant({4, 1, 1}));
  EXPECT_EQ(optimized(b.finish({b.unary(Op::RELU, y)})), (Ops{Op::MAX_POOL_2D, Op::DEPTHWISE_CONV_2D}));
}

TEST(FusePadding, SameOnlyWhereEqual) {
  for (const int stride : {1, 2}) {
    Builder b;
    const int x = b.input({1, 3, 8, 8});
    const int y = b.convolution(b.pad(x, {0, 0, 0, 0, 1, 1, 1, 1}), 4, 3, stride);
    // SAME pads an even size by nothing in front for stride 2.
    EXPECT_EQ(optimized(b.finish({y})).size(), stride == 1 ? 1U : 2U);
  }
}

TEST(FusePadding, ZerosInFrontOfMaxPoolOnlyAfterRelu) {
  for (const bool positive : {false, true}) {
    Builder b;
    int x = b.input({1, 3, 9, 9});
    if (positive) x = b.unary(Op::ABS, x);
    x = b.pad(x, {0, 0, 0, 0, 0, 1, 0, 1});
    EXPECT_EQ(optimized(b.finish({b.max_pool(x)})).size(), 2U) << positive;
  }
}

TEST(FusePadding, CropsOfTransposedConvolutions) {
  Builder b;
  const int x = b.transposed_convolution(b.input({1, 4, 5, 5}), 6, 4, 2);  // 12x12
  Model result;
  OptimizeOptions options;
  options.forms[Form::kTransposed] = false;
  EXPECT_EQ(optimized(b.finish({b.slice(x, {0, 0, 1, 1}, {1, 6, 10, 10})}), &result, options), Ops{Op::TRANSPOSE_CONV});
  EXPECT_EQ(std::get<TransposeConvOptions>(result.subgraphs[0].operators[0].options).padding, Padding::SAME);
}

TEST(Passes, ClassifierHeadIsTwoOperators) {
  for (const bool keep : {false, true}) {
    Builder b;
    int x = b.mean(b.unary(Op::RELU, b.convolution(b.input({1, 3, 8, 8}), 16)), {2, 3}, keep);
    if (keep) x = b.reshape(x, {1, 16});
    EXPECT_EQ(optimized(b.finish({b.linear(x, 10)})), (Ops{Op::CONV_2D, Op::MEAN, Op::FULLY_CONNECTED}));
  }
}

TEST(Passes, AverageOverEverythingIsMean) {
  Builder b;
  EXPECT_EQ(optimized(b.finish({b.average_pool(b.input({1, 3, 8, 8}), 8)})), Ops{Op::MEAN});
  Builder c;
  EXPECT_EQ(optimized(c.finish({c.average_pool(c.input({1, 3, 8, 8}), 4)})), Ops{Op::AVERAGE_POOL_2D});
}

TEST(Passes, CommonSubexpressionsAndIdentitiesGo) {
  Builder b;
  const int x = b.input({1, 6});
  const int a = b.unary(Op::EXP, b.reshape(b.reshape(x, {6, 1}), {1, 6}));
  const int c = b.unary(Op::EXP, b.binary(Op::MUL, x, b.graph().add_constant("one", std::vector<float>{1}, Shape{})));
  EXPECT_EQ(optimized(b.finish({b.binary(Op::ADD, a, c)})), (Ops{Op::EXP, Op::ADD}));
}

TEST(Passes, OutputsAreTensorsOfTheirOwn) {
  Builder b;
  const int x = b.input({1, 6});
  const int y = b.unary(Op::EXP, x);
  Model result;
  optimized(b.finish({y, y, x}), &result);
  const auto& outputs = result.subgraphs[0].outputs;
  EXPECT_EQ(std::set<int>(outputs.begin(), outputs.end()).size(), 3U);
  EXPECT_NE(outputs[2], result.subgraphs[0].inputs[0]);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(result.signatures[0].outputs[i].second, outputs[i]);
}

TEST(Passes, AreLinearInTheNumberOfOperators) {
  // Every operator is looked at a bounded number of times, so a long chain neither recurses nor takes for ever.
  Builder b;
  int x = b.input({1, 8, 6, 6});
  for (int i = 0; i < 4000; ++i) {
    const int y = b.convolution(b.pad(x, {0, 0, 0, 0, 1, 1, 1, 1}), 8);
    x = b.binary(Op::ADD, b.unary(Op::RELU, y), x);
  }
  Model result;
  optimized(b.finish({x}), &result);
  EXPECT_EQ(count(result, Op::CONV_2D), 4000);
  EXPECT_EQ(result.subgraphs[0].operators.size(), 8000U);
}

}  // namespace
}  // namespace tinyml::tflite
