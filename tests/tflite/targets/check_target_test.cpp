#include <gtest/gtest.h>

#include "tflite/builder.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_target.h"

namespace tinyml::tflite {
namespace {

using testing::Builder;

std::vector<TargetIssue> issues(Model model, Target target) {
  OptimizeOptions options;
  options.target = target;
  optimize(model, options);
  return check_target(model, target);
}

TEST(Target, NamesAreParsedAndPrinted) {
  for (const std::string& name : target_names()) EXPECT_EQ(to_string(parse_target(name)), name);
  EXPECT_EQ(target_names().size(), 4U);
  EXPECT_THROW(parse_target("gpu"), Error);
}

TEST(CheckTarget, FloatRunsEverywhereButOnTheNpu) {
  Builder b;
  const Model model = b.finish({b.unary(Op::RELU, b.convolution(b.input({1, 3, 8, 8}), 4))});
  EXPECT_TRUE(issues(model, Target::kLitert).empty());
  EXPECT_TRUE(issues(model, Target::kLitertBuiltin).empty());
  EXPECT_TRUE(issues(model, Target::kTfliteMicro).empty());
  const auto found = issues(model, Target::kEthosU);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].op, Op::CONV_2D);
  EXPECT_NE(found[0].reason.find("FLOAT32"), std::string::npos);
}

TEST(CheckTarget, NamesOperatorsThatTheMicroRuntimeLacks) {
  Builder b;
  const auto found = issues(b.finish({b.unary(Op::GELU, b.input({1, 8}))}), Target::kTfliteMicro);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].op, Op::GELU);
}

TEST(CheckTarget, NamesTheNpusLimits) {
  for (const int stride : {3, 4}) {
    Builder b;
    const int x = b.fake_quant(b.input({1, 3, 16, 16}), 0.02F, 0);
    const int y = b.convolution(x, 4, 3, stride);
    Operator& conv = b.graph().operators.back();
    const Operator kept = conv;
    b.graph().operators.pop_back();
    const int weights = b.fake_quant_weights(kept.inputs[1], 0);
    b.graph().operators.push_back(kept);
    b.graph().operators.back().inputs[1] = weights;
    const auto found = issues(b.finish({b.fake_quant(y, 0.1F, 0)}), Target::kEthosU);
    // QUANTIZE and DEQUANTIZE at the boundary, and the convolution whose stride is too long.
    std::vector<Op> ops;
    for (const TargetIssue& issue : found) ops.push_back(issue.op);
    EXPECT_EQ(std::count(ops.begin(), ops.end(), Op::CONV_2D), stride == 4 ? 1 : 0);
  }
}

}  // namespace
}  // namespace tinyml::tflite
