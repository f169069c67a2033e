#include <gtest/gtest.h>

#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

// x [2, 3] with the signature [-1, 3] -> RELU -> y.
Model relu_of_dynamic(Shape output_signature) {
  Model model;
  Subgraph& main = model.subgraphs.emplace_back();
  main.name = "main";
  Tensor x{"x", Type::FLOAT32, {2, 3}, {-1, 3}, {}, {}, false};
  Tensor y{"y", Type::FLOAT32, {2, 3}, std::move(output_signature), {}, {}, false};
  main.inputs = {main.add_tensor(x)};
  main.outputs = {main.add_tensor(y)};
  main.add_operator(Op::RELU, {0}, {1});
  return model;
}

TEST(CheckDynamicSizes, WhatDependsOnADynamicSizeMustSaySo) {
  EXPECT_TRUE(find_violations(relu_of_dynamic({-1, 3})).empty());
  EXPECT_EQ(find_violations(relu_of_dynamic({})).size(), 1U);
  EXPECT_EQ(find_violations(relu_of_dynamic({-1, 4})).size(), 1U);
}

TEST(CheckDynamicSizes, AConstantShapeOfSomethingDynamicIsFound) {
  Model model = relu_of_dynamic({-1, 3});
  Subgraph& main = model.subgraphs[0];
  const int axis = main.add_constant("axis", std::vector<int32_t>{0}, Shape{});
  const int a = main.add_tensor("a", Type::FLOAT32, {1, 3});
  const int b = main.add_tensor("b", Type::FLOAT32, {1, 3});
  main.add_operator(Op::SPLIT, {axis, 1}, {a, b}, SplitOptions{2});
  EXPECT_EQ(find_violations(model).size(), 2U);
}

}  // namespace
}  // namespace tinyml::tflite
