// Hand-computed results; the comparison with PyTorch over many arguments is tests/python/test_evaluate.py.
#include <gtest/gtest.h>

#include "evaluate/run_operator.h"

namespace tinyml {
namespace {

using Doubles = std::vector<double>;

Tensor floats(std::vector<float> values, std::vector<int64_t> shape) { return Tensor::from(values, std::move(shape)); }

Tensor counting(std::vector<int64_t> shape) {
  Tensor tensor(ScalarType::kFloat32, std::move(shape));
  float* values = tensor.mutable_data<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(i);
  return tensor;
}

TEST(Operators, AddBroadcastsAndScales) {
  const Tensor sum = run_operator(
      "aten.add.Tensor", {{"self", counting({2, 3})}, {"other", floats({10, 20}, {2, 1})}, {"alpha", Argument(2)}})[0];
  EXPECT_EQ(sum.to_doubles(), (Doubles{20, 21, 22, 43, 44, 45}));
}

TEST(Operators, NumbersDoNotWidenTensors) {
  const Tensor half = floats({1, 2}, {2}).to(ScalarType::kFloat16);
  EXPECT_EQ(run_operator("aten.mul.Scalar", {{"self", half}, {"other", Argument(1.5)}})[0].type(),
            ScalarType::kFloat16);
  const Tensor integers = Tensor::from<int32_t>({1, 2}, {2});
  const Tensor product = run_operator("aten.mul.Tensor", {{"self", integers}, {"other", Argument(1.5)}})[0];
  EXPECT_EQ(product.type(), ScalarType::kFloat32);
  EXPECT_EQ(product.to_doubles(), (Doubles{1.5, 3}));
  EXPECT_EQ(run_operator("aten.mul.Tensor", {{"self", integers}, {"other", Tensor::scalar<int64_t>(3)}})[0].type(),
            ScalarType::kInt32);
}

TEST(Operators, RoundingDivisionFollowsPython) {
  const Tensor a = Tensor::from<int64_t>({-7, 7, -7}, {3});
  const Tensor b = Tensor::from<int64_t>({2, -2, -2}, {3});
  EXPECT_EQ(run_operator("aten.floor_divide.default", {{"self", a}, {"other", b}})[0].to_doubles(),
            (Doubles{-4, -4, 3}));
  EXPECT_EQ(run_operator("aten.remainder.Tensor", {{"self", a}, {"other", b}})[0].to_doubles(), (Doubles{1, -1, -1}));
  EXPECT_EQ(run_operator("aten.fmod.Tensor", {{"self", a}, {"other", b}})[0].to_doubles(), (Doubles{-1, 1, -1}));
}

TEST(Operators, ConvolutionPadsAndStrides) {
  const Tensor y = run_operator("aten.conv2d.default", {{"input", counting({1, 1, 3, 3})},
                                                        {"weight", floats({1, 1, 1, 1}, {1, 1, 2, 2})},
                                                        {"bias", floats({0.5}, {1})},
                                                        {"stride", Argument(2)},
                                                        {"padding", Argument(1)}})[0];
  EXPECT_EQ(y.shape(), (std::vector<int64_t>{1, 1, 2, 2}));
  EXPECT_EQ(y.to_doubles(), (Doubles{0.5, 3.5, 9.5, 24.5}));
}

TEST(Operators, TransposedConvolutionOverlaps) {
  const Tensor y = run_operator("aten.conv_transpose1d.default", {{"input", floats({1, 10}, {1, 1, 2})},
                                                                  {"weight", floats({1, 2, 3}, {1, 1, 3})},
                                                                  {"stride", Argument(2)},
                                                                  {"output_padding", Argument(1)}})[0];
  EXPECT_EQ(y.to_doubles(), (Doubles{1, 2, 13, 20, 30, 0}));
}

TEST(Operators, BatchNormUsesRunningStatisticsEvenInTraining) {
  const Tensor y = run_operator("aten.batch_norm.default", {{"input", counting({1, 2, 2})},
                                                            {"weight", floats({2, 1}, {2})},
                                                            {"bias", floats({0, 1}, {2})},
                                                            {"running_mean", floats({1, 2}, {2})},
                                                            {"running_var", floats({4, 1}, {2})},
                                                            {"training", Argument(true)},
                                                            {"momentum", Argument(0.1)},
                                                            {"eps", Argument(0.0)},
                                                            {"cudnn_enabled", Argument(true)}})[0];
  EXPECT_EQ(y.to_doubles(), (Doubles{-1, 0, 1, 2}));
}

TEST(Operators, AveragePoolingCountsPaddingOnRequest) {
  const std::vector<Given> given{
      {"self", counting({1, 2, 2})}, {"kernel_size", Argument(2)}, {"stride", Argument(2)}, {"padding", Argument(1)}};
  EXPECT_EQ(run_operator("aten.avg_pool2d.default", given)[0].to_doubles(), (Doubles{0, 0.25, 0.5, 0.75}));
  std::vector<Given> without = given;
  without.push_back({"count_include_pad", Argument(false)});
  EXPECT_EQ(run_operator("aten.avg_pool2d.default", without)[0].to_doubles(), (Doubles{0, 1, 2, 3}));
}

TEST(Operators, SplitGivesOneOutputAPart) {
  const auto parts = run_operator("aten.split.Tensor", {{"self", counting({5})}, {"split_size", Argument(2)}}, 3);
  EXPECT_EQ(parts[1].to_doubles(), (Doubles{2, 3}));
  EXPECT_EQ(parts[2].to_doubles(), (Doubles{4}));
}

TEST(Operators, SliceClampsAndSteps) {
  const Tensor y = run_operator("aten.slice.Tensor", {{"self", counting({2, 5})},
                                                      {"dim", Argument(-1)},
                                                      {"start", Argument(-4)},
                                                      {"end", Argument(100)},
                                                      {"step", Argument(2)}})[0];
  EXPECT_EQ(y.to_doubles(), (Doubles{1, 3, 6, 8}));
}

TEST(Operators, MatmulBroadcastsStacks) {
  const Tensor y = run_operator("aten.matmul.default", {{"self", counting({2, 1, 2})}, {"other", counting({2, 2})}})[0];
  EXPECT_EQ(y.shape(), (std::vector<int64_t>{2, 1, 2}));
  EXPECT_EQ(y.to_doubles(), (Doubles{2, 3, 6, 11}));
}

TEST(Operators, ReductionsKeepDimensionsOnRequest) {
  const Tensor y =
      run_operator("aten.mean.dim",
                   {{"self", counting({2, 3, 2})}, {"dim", Argument::ints({0, -1})}, {"keepdim", Argument(true)}})[0];
  EXPECT_EQ(y.shape(), (std::vector<int64_t>{1, 3, 1}));
  EXPECT_EQ(y.to_doubles(), (Doubles{3.5, 5.5, 7.5}));
}

TEST(Operators, RefusalsNameOperatorAndReason) {
  try {
    run_operator("aten.cat.default", {{"tensors", std::vector<Tensor>{counting({2, 2}), counting({3, 3})}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("aten.cat.default"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("cannot be joined"), std::string::npos);
  }
}

}  // namespace
}  // namespace tinyml
