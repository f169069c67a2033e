// Weights in FLOAT16 and INT8 under float activations.
#include <gtest/gtest.h>

#include <algorithm>

#include "tflite/builder.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

using testing::Builder;
using testing::count;

Model optimized(Model model, Precision precision, std::vector<std::string>* notes = nullptr) {
  OptimizeOptions options;
  options.weights.precision = precision;
  options.weights.min_elements = 64;
  options.note = [&](const std::string& note) {
    if (notes != nullptr) notes->push_back(note);
  };
  optimize(model, options);
  verify(model);
  return model;
}

const Tensor& operand(const Model& model, Op kind, size_t input) {
  const Subgraph& g = model.subgraphs[0];
  const auto op = std::find_if(g.operators.begin(), g.operators.end(), [&](const Operator& o) { return o.op == kind; });
  return g.tensors[static_cast<size_t>(op->inputs[input])];
}

TEST(Weights, DynamicRangeHasInt8PerOutputChannel) {
  Builder b;
  const Model model = b.finish({b.convolution(b.input({1, 8, 8, 8}), 16)});
  const Model result = optimized(model, Precision::kDynamicRange);
  const Tensor& weights = operand(result, Op::CONV_2D, 1);
  EXPECT_EQ(weights.type, Type::INT8);
  EXPECT_EQ(weights.quantization.scale.size(), 16U);
  EXPECT_EQ(weights.quantization.quantized_dimension, 0);
  EXPECT_EQ(operand(result, Op::CONV_2D, 2).type, Type::FLOAT32);
  EXPECT_EQ(count(result, Op::DEQUANTIZE), 0);
}

TEST(Weights, GroupedConvolutionsReadThroughDequantize) {
  Builder b;
  const Model model = b.finish({b.convolution(b.input({1, 16, 8, 8}), 16, 3, 1, 2)});
  EXPECT_EQ(count(optimized(model, Precision::kDynamicRange), Op::DEQUANTIZE), 1);
}

TEST(Weights, Float16GoesThroughDequantizeWhereItSavesBytes) {
  Builder b;
  const Model model = b.finish({b.convolution(b.input({1, 8, 8, 8}), 16)});
  const Model result = optimized(model, Precision::kFloat16);
  EXPECT_EQ(count(result, Op::DEQUANTIZE), 1);  // The weights; the bias is too small.
  EXPECT_EQ(operand(result, Op::DEQUANTIZE, 0).type, Type::FLOAT16);
}

TEST(Weights, WhatFloat16CannotHoldIsNoted) {
  Builder b;
  const int x = b.input({1, 256});
  const Model model = b.finish({b.binary(Op::MUL, x, b.constant({1, 256}, 1e6F, 2e6F))});
  std::vector<std::string> notes;
  const Model result = optimized(model, Precision::kFloat16, &notes);
  EXPECT_EQ(count(result, Op::DEQUANTIZE), 0);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("65504"), std::string::npos);
}

// Each of these breaks one rule of a good model.
TEST(Weights, VerifierFindsWhatTheKernelsRefuse) {
  Builder b;
  const Model good = optimized(b.finish({b.convolution(b.input({1, 8, 8, 8}), 16)}), Precision::kDynamicRange);
  const auto violation = [&](const auto& spoil) {
    Model model = good;
    Operator& conv = model.subgraphs[0].operators[0];
    spoil(model.subgraphs[0], conv);
    std::string text;
    for (const Diagnostic& found : find_violations(model)) text += found.what + "\n";
    return text;
  };
  const auto tensor = [](Subgraph& g, int id) -> Tensor& { return g.tensors[static_cast<size_t>(id)]; };
  EXPECT_NE(
      violation([&](Subgraph& g, Operator& op) { tensor(g, op.inputs[1]).quantization = {}; }).find("have no scale"),
      std::string::npos);
  EXPECT_NE(violation([&](Subgraph& g, Operator& op) {
              tensor(g, op.inputs[1]).type = Type::FLOAT16;
              tensor(g, op.inputs[1]).quantization = {};
              tensor(g, op.inputs[1]).buffer = Buffer::of(std::vector<uint16_t>(static_cast<size_t>(16 * 9 * 8)));
            }).find("FLOAT16"),
            std::string::npos);
  EXPECT_NE(violation([&](Subgraph& g, Operator& op) {
              Tensor& weights = tensor(g, op.inputs[1]);
              weights.quantization.scale = {1.0F};
              weights.quantization.zero_point = {3};
            }).find("zero point"),
            std::string::npos);
}

}  // namespace
}  // namespace tinyml::tflite
