#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tflite/builder.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

using testing::Builder;
using testing::count;
using Ops = std::vector<Op>;

Ops optimized(Model model, Model* result = nullptr, OptimizeOptions options = {}) {
  optimize(model, options);
  verify(model);
  Ops ops;
  for (const Operator& op : model.subgraphs[0].operators) ops.push_back(op.op);
  if (result != nullptr) *result = model;
  return ops;
}

// A convolution whose weights carry a FakeQuant per channel.
int quantized_convolution(Builder& b, int x, int channels, int kernel = 3) {
  const int y = b.convolution(x, channels, kernel);
  Operator op = b.graph().operators.back();
  b.graph().operators.pop_back();
  op.inputs[1] = b.fake_quant_weights(op.inputs[1], 0);
  b.graph().operators.push_back(op);
  return y;
}

const Tensor& operand(const Model& model, const Operator& op, size_t input) {
  return model.subgraphs[0].tensors[static_cast<size_t>(op.inputs[input])];
}

TEST(Quantization, ConvolutionRunsInInt8) {
  Builder b;
  const int x = b.fake_quant(b.input({1, 3, 8, 8}), 0.02F, 1);
  const int y = b.fake_quant(b.unary(Op::RELU, quantized_convolution(b, x, 4)), 0.01F, -128);
  Model result;
  EXPECT_EQ(optimized(b.finish({y}), &result), (Ops{Op::QUANTIZE, Op::CONV_2D, Op::DEQUANTIZE}));
  const Operator& conv = result.subgraphs[0].operators[1];
  const Tensor& weights = operand(result, conv, 1);
  const Tensor& bias = operand(result, conv, 2);
  EXPECT_EQ(weights.type, Type::INT8);
  EXPECT_EQ(weights.quantization.quantized_dimension, 0);
  ASSERT_EQ(weights.quantization.scale.size(), 4U);
  EXPECT_EQ(bias.type, Type::INT32);
  EXPECT_FLOAT_EQ(bias.quantization.scale[2], 0.02F * weights.quantization.scale[2]);
}

TEST(Quantization, WhatHasNoFakeQuantStaysFloat) {
  Builder b;
  const int x = b.fake_quant(b.input({1, 3, 8, 8}), 0.02F, 1);
  const int first = quantized_convolution(b, x, 4);  // No FakeQuant behind it.
  const int y = b.convolution(first, 4);
  Model result;
  EXPECT_EQ(optimized(b.finish({y}), &result), (Ops{Op::QUANTIZE, Op::DEQUANTIZE, Op::CONV_2D, Op::CONV_2D}));
  const Tensor& weights = operand(result, result.subgraphs[0].operators[2], 1);
  EXPECT_EQ(weights.type, Type::FLOAT32);  // The values that the INT8 weights stand for.
  EXPECT_TRUE(weights.is_constant());
}

TEST(Quantization, AnAffineMapThatStandsAloneRunsInInt8Exactly) {
  Builder b;
  const int x = b.max_pool(b.fake_quant(b.input({1, 4, 8, 8}), 0.02F, 1));
  const int scaled = b.binary(Op::MUL, x, b.constant({1, 4, 1, 1}, -2, 2));
  const int y = b.fake_quant(b.binary(Op::ADD, scaled, b.constant({1, 4, 1, 1})), 0.03F, 4);
  Model result;
  EXPECT_EQ(optimized(b.finish({y}), &result),
            (Ops{Op::QUANTIZE, Op::MAX_POOL_2D, Op::DEPTHWISE_CONV_2D, Op::DEQUANTIZE}));
  const Tensor& weights = operand(result, result.subgraphs[0].operators[2], 1);
  ASSERT_EQ(weights.type, Type::INT8);
  EXPECT_EQ(weights.quantization.scale.size(), 4U);
  for (const int8_t q : weights.buffer.as<int8_t>()) EXPECT_EQ(std::abs(q), 64);
}

TEST(Quantization, MovementsCarryTheScale) {
  Builder b;
  int x = b.fake_quant(b.input({1, 8, 8, 8}), 0.02F, 1);
  x = b.max_pool(x);
  const auto parts = b.split(x, 1, 2);
  const int y = b.concatenation({parts[1], parts[0]}, 1);
  EXPECT_EQ(optimized(b.finish({y})),
            (Ops{Op::QUANTIZE, Op::MAX_POOL_2D, Op::SPLIT, Op::CONCATENATION, Op::DEQUANTIZE}));
}

TEST(Quantization, ConcatenationTakesTheOutputsScale) {
  Builder b;
  const int x = b.input({1, 4, 8, 8});
  const int a = b.fake_quant(x, 0.02F, 1);
  const int c = b.fake_quant(b.unary(Op::TANH, x), 0.01F, 0);
  const int y = b.fake_quant(b.concatenation({a, c}, 1), 0.02F, 1);
  Model result;
  optimized(b.finish({y}), &result);  // verify() checks the tie.
  EXPECT_EQ(count(result, Op::CONCATENATION), 1);
  EXPECT_EQ(count(result, Op::QUANTIZE), 3);  // x; TANH's result; that again into the output's scale.
  EXPECT_EQ(count(result, Op::DEQUANTIZE), 1);
}

TEST(Quantization, FixedScalesMustAgree) {
  for (const bool agrees : {true, false}) {
    Builder b;
    const int x = b.fake_quant(b.input({1, 16}), 0.05F, 0);
    const int y = b.fake_quant(b.unary(Op::LOGISTIC, x), agrees ? 1.0F / 256 : 1.0F / 200, -128);
    const Ops expected = agrees ? Ops{Op::QUANTIZE, Op::LOGISTIC, Op::DEQUANTIZE}
                                : Ops{Op::QUANTIZE, Op::DEQUANTIZE, Op::LOGISTIC, Op::QUANTIZE, Op::DEQUANTIZE};
    EXPECT_EQ(optimized(b.finish({y})), expected);
  }
}

TEST(Quantization, IslandsHaveDequantizesOfTheirOwn) {
  Builder b;
  const int x = b.fake_quant(b.input({1, 16}), 0.05F, 0);
  const int a = b.fake_quant(b.unary(Op::HARD_SWISH, x), 0.03F, 0);
  const int c = b.fake_quant(b.unary(Op::ELU, x), 0.03F, 0);
  Model result;
  optimized(b.finish({b.fake_quant(b.binary(Op::ADD, a, c), 0.06F, 0)}), &result);
  EXPECT_EQ(count(result, Op::DEQUANTIZE), 3);
  for (const Operator& op : result.subgraphs[0].operators) {
    if (op.op == Op::ADD) {
      EXPECT_EQ(operand(result, op, 0).type, Type::INT8);
    }
  }
}

TEST(Quantization, ReluThatTheRangeImpliesGoes) {
  Builder b;
  const int x = b.fake_quant(b.input({1, 16}), 0.05F, 0);
  const int y = b.fake_quant(b.unary(Op::RELU, x), 0.03F, -128);
  EXPECT_EQ(optimized(b.finish({y})), (Ops{Op::QUANTIZE, Op::QUANTIZE, Op::DEQUANTIZE}));
  Builder c;
  const int z = c.fake_quant(c.unary(Op::RELU, c.fake_quant(c.input({1, 16}), 0.05F, 0)), 0.03F, -100);
  EXPECT_EQ(optimized(c.finish({z})).size(), 5U);  // Negative values are in range: RELU stays.
}

TEST(Quantization, PaddingByLowestBehindReluIsPad) {
  Builder b;
  const int x = b.fake_quant(b.unary(Op::RELU, b.input({1, 4, 8, 8})), 0.03F, -128);
  Subgraph& g = b.graph();
  const int padded = g.add_tensor("padded", Type::FLOAT32, {1, 4, 10, 10});
  const int amounts = g.add_constant("amounts", std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 1}, Shape{4, 2});
  const int lowest = g.add_constant("lowest", std::vector<float>{std::numeric_limits<float>::lowest()}, Shape{});
  g.add_operator(Op::PADV2, {x, amounts, lowest}, {padded});
  OptimizeOptions options;
  options.forms[Form::kMaxPool] = false;
  EXPECT_EQ(optimized(b.finish({b.max_pool(padded)}), nullptr, options),
            (Ops{Op::QUANTIZE, Op::PAD, Op::MAX_POOL_2D, Op::DEQUANTIZE}));
}

TEST(Quantization, BoundaryTypes) {
  Builder b;
  const int x = b.fake_quant(b.input({1, 3, 8, 8}), 0.02F, 1);
  const Model model = b.finish({b.fake_quant(quantized_convolution(b, x, 4), 0.1F, 3)});
  OptimizeOptions options;
  options.input_types = options.output_types = {Type::INT8};
  Model result;
  EXPECT_EQ(optimized(model, &result, options), (Ops{Op::CONV_2D}));
  const Subgraph& g = result.subgraphs[0];
  EXPECT_EQ(g.tensors[static_cast<size_t>(g.inputs[0])].name, "input0");
  EXPECT_EQ(g.tensors[static_cast<size_t>(g.outputs[0])].quantization.zero_point[0], 3);
  EXPECT_EQ(result.signatures[0].inputs[0].second, g.inputs[0]);
  options.input_types = options.output_types = {Type::UINT8};
  optimized(model, &result, options);
  const Tensor& input = result.subgraphs[0].tensors[static_cast<size_t>(result.subgraphs[0].inputs[0])];
  EXPECT_EQ(input.type, Type::UINT8);
  EXPECT_EQ(input.quantization.zero_point[0], 129);
}

TEST(Quantization, FloatBoundaryIsRefusedByName) {
  Builder b;
  Model model = b.finish({b.convolution(b.input({1, 3, 8, 8}), 4)});
  OptimizeOptions options;
  options.input_types = options.output_types = {Type::INT8};
  try {
    optimize(model, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("input0"), std::string::npos);
  }
}

}  // namespace
}  // namespace tinyml::tflite
