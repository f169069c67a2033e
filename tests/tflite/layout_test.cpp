#include <gtest/gtest.h>

#include <algorithm>

#include "tflite/builder.h"
#include "tflite/layout/operator_layout.h"
#include "tflite/layout/prepare_layout.h"
#include "tflite/layout/reshape_order.h"
#include "tflite/layout/solve_layout.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {
namespace {

using testing::Builder;
using testing::count;

TEST(Order, PermutesBytesLikeTranspose) {
  const std::vector<int16_t> values = {0, 1, 2, 3, 4, 5};  // 1x2x3
  const Buffer result = permute_bytes(Buffer::of(values), 2, {1, 2, 3}, {2, 0, 1});
  const auto got = result.as<int16_t>();
  EXPECT_EQ(std::vector<int16_t>(got.begin(), got.end()), (std::vector<int16_t>{0, 3, 1, 4, 2, 5}));
}

Tensor shaped(Shape shape, Shape signature = {}) {
  Tensor tensor;
  tensor.shape = std::move(shape);
  tensor.shape_signature = std::move(signature);
  return tensor;
}

TEST(ReshapeOrder, CrossesWhereAxesStayTogether) {
  EXPECT_EQ(order_after_reshape(shaped({2, 3, 4, 5}), shaped({2, 3, 20}), {0, 2, 3, 1}), (Order{0, 2, 1}));
  EXPECT_EQ(order_after_reshape(shaped({2, 6, 4, 5}), shaped({2, 2, 3, 4, 5}), {0, 2, 3, 1}), (Order{0, 3, 4, 1, 2}));
  EXPECT_EQ(order_after_reshape(shaped({2, 3, 4, 5}), shaped({2, 60}), {0, 2, 3, 1}), std::nullopt);
  EXPECT_EQ(order_after_reshape(shaped({2, 3, 1, 1}), shaped({2, 3}), {0, 2, 3, 1}), (Order{0, 1}));
  EXPECT_EQ(order_after_reshape(shaped({2, 3, 7}), shaped({2, 3, 1, 7}), {0, 2, 1}), (Order{0, 2, 3, 1}));
  EXPECT_EQ(order_after_reshape(shaped({2, 6}), shaped({3, 4}), {1, 0}), std::nullopt);
}

TEST(ReshapeOrder, TellsDynamicSizesFromOnes) {
  const Tensor from = shaped({1, 8, 4, 4}, {-1, 8, 4, 4});
  const Tensor to = shaped({1, 8, 16}, {-1, 8, 16});
  EXPECT_EQ(order_after_reshape(from, to, {0, 2, 3, 1}), (Order{0, 2, 1}));
  EXPECT_EQ(order_after_reshape(from, to, {1, 0, 2, 3}), (Order{1, 0, 2}));
}

int transposes_left(const Model& model) {
  Model copy = model;
  return assign_layout(copy).transposes;
}

TEST(Layout, ConvolutionalNetworksNeedNoTranspose) {
  Builder b;
  int x = b.input({1, 3, 16, 16});
  x = b.unary(Op::RELU, b.convolution(x, 8));
  const int skip = x;
  x = b.convolution(b.pad(x, {0, 0, 0, 0, 1, 1, 1, 1}), 8);
  x = b.binary(Op::ADD, x, skip);
  x = b.binary(Op::MUL, x, b.constant({8, 1, 1}));
  x = b.concatenation({x, skip}, 1);
  const auto parts = b.split(x, 1, 2);
  const int gate = b.unary(Op::LOGISTIC, b.convolution(b.mean(x, {2, 3}, true), 8, 1));
  x = b.binary(Op::MUL, parts[0], gate);
  x = b.resize(b.max_pool(x));
  x = b.transposed_convolution(x, 6);
  const int features = b.reshape(b.average_pool(x, 4), {1, 6 * 7 * 7});
  const Model model = b.finish({b.linear(b.unary(Op::RELU, features), 10), x});
  Model physical = model;
  const LayoutReport report = assign_layout(physical);
  EXPECT_EQ(report.transposes, 0);
  EXPECT_EQ(count(physical, Op::TRANSPOSE), 0);
  EXPECT_EQ(physical.subgraphs[0].tensors[static_cast<size_t>(physical.subgraphs[0].inputs[0])].shape,
            (Shape{1, 16, 16, 3}));
  EXPECT_EQ(report.input_orders[0], (Order{0, 2, 3, 1}));
  EXPECT_EQ(report.output_orders[1], (Order{0, 2, 3, 1}));
  EXPECT_EQ(physical.signatures[0].outputs[1].second, physical.subgraphs[0].outputs[1]);
}

TEST(Layout, KeepsGivenOrdersOnRequest) {
  Builder b;
  const int x = b.input({1, 3, 8, 8});
  Model model = b.finish({b.convolution(x, 4)});
  LayoutOptions options;
  options.channels_last_inputs = options.channels_last_outputs = false;
  EXPECT_EQ(assign_layout(model, options).transposes, 2);
  options.input_orders[0] = {0, 1, 2};
  EXPECT_THROW(assign_layout(model, options), Error);
}

TEST(Layout, AbsorbsPermutesAroundLinearAndSoftmax) {
  Builder b;
  int x = b.convolution(b.input({1, 3, 8, 8}), 8);
  x = b.transpose(x, {0, 2, 3, 1});
  x = b.softmax(b.linear(x, 8));
  x = b.transpose(x, {0, 3, 1, 2});
  x = b.convolution(x, 4);
  EXPECT_EQ(transposes_left(b.finish({x})), 0);
}

TEST(Layout, AFactorOfEachChannelDecidesNoOrder) {
  Builder b;
  const int factor = b.fake_quant(b.constant({8, 1, 1}), 0.01F, 0);
  const int offset = b.fake_quant(b.constant({8, 1, 1}), 0.01F, 0);
  int x = b.convolution(b.input({1, 3, 8, 8}), 8);
  for (int unit = 0; unit < 2; ++unit) {
    const int deviation = b.binary(Op::SUB, x, b.mean(x, {1}, true));
    const int variance = b.mean(b.binary(Op::MUL, deviation, deviation), {1}, true);
    int normal = b.fake_quant(b.binary(Op::MUL, factor, deviation), 0.01F, 0);
    normal = b.binary(Op::ADD, b.binary(Op::MUL, normal, b.unary(Op::RSQRT, variance)), offset);
    x = b.binary(Op::ADD, x, b.convolution(normal, 8, 1));
  }
  x = b.convolution(x, 3);
  EXPECT_EQ(transposes_left(b.finish({x})), 0);
}

TEST(Layout, VariablesLieAsTheFileSays) {
  Builder b;
  const int state = b.graph().add_tensor(shaped({1, 8, 1, 1}));
  b.graph().tensors[static_cast<size_t>(state)].is_variable = true;
  const int x = b.convolution(b.input({1, 3, 8, 6}), 8);
  Model model = b.finish({b.binary(Op::MUL, x, state)});
  assign_layout(model);
  const Subgraph& main = model.subgraphs[0];
  const Operator& product = main.operators.back();
  ASSERT_EQ(product.op, Op::MUL);
  EXPECT_EQ(main.tensors[static_cast<size_t>(product.inputs[0])].shape, (Shape{1, 6, 4, 8}));
  EXPECT_EQ(main.tensors[static_cast<size_t>(product.inputs[1])].shape, (Shape{1, 1, 1, 8}));
  EXPECT_EQ(main.tensors[static_cast<size_t>(state)].shape, (Shape{1, 8, 1, 1}));
}

TEST(Layout, PatchesToTokensCostNothing) {
  Builder b;
  int x = b.convolution(b.input({1, 3, 16, 16}), 8, 4, 4);  // 1x8x4x4
  x = b.reshape(x, {1, 8, 16});
  x = b.transpose(x, {0, 2, 1});
  EXPECT_EQ(transposes_left(b.finish({b.linear(x, 8)})), 0);
}

TEST(Layout, OneDimensionalConvolutionsCostNothing) {
  Builder b;
  int x = b.transpose(b.input({1, 20, 6}), {0, 2, 1});  // Given as N, L, C.
  for (int i = 0; i < 3; ++i) {
    x = b.reshape(x, {1, 6, 1, b.shape(x)[2]});
    x = b.convolution(x, 6, 1);
    x = b.unary(Op::RELU, b.reshape(x, {1, 6, b.shape(x)[3]}));
  }
  EXPECT_EQ(transposes_left(b.finish({b.linear(b.mean(x, {2}, false), 3)})), 0);
}

TEST(Layout, TransposesTheSmallerSide) {
  // A value that must be read in logical order by an output, before or after it shrinks.
  Builder b;
  const int x = b.convolution(b.input({1, 3, 18, 18}), 8);
  const int small = b.mean(b.unary(Op::EXP, x), {3}, true);
  Model model = b.finish({small});
  LayoutOptions options;
  options.output_orders[0] = {0, 1, 2, 3};
  const LayoutReport report = assign_layout(model, options);
  EXPECT_EQ(report.transposes, 1);
  EXPECT_EQ(report.bytes_transposed, 4 * 8 * 16);
}

// In the files of others, axes and permutations may be computed: such operators run in logical order, as they are.
TEST(Layout, LeavesOperatorsWithComputedAttributes) {
  struct Case {
    Op op;
    Options options;
    Shape attribute, result;
    size_t slot = 1;  // Of the attribute.
  };
  const std::vector<Case> cases = {
      {Op::ARG_MAX, ArgMaxOptions{}, {}, {1, 4, 6}},
      {Op::ARG_MIN, ArgMinOptions{}, {}, {1, 4, 6}},
      {Op::MEAN, ReducerOptions{.keep_dims = true}, {1}, {1, 4, 1, 6}},
      {Op::SUM, ReducerOptions{.keep_dims = false}, {1}, {1, 4, 6}},
      {Op::REDUCE_MAX, ReducerOptions{.keep_dims = true}, {1}, {1, 4, 1, 6}},
      {Op::CUMSUM, CumsumOptions{}, {}, {1, 4, 5, 6}},
      {Op::REVERSE_V2, {}, {1}, {1, 4, 5, 6}},
      {Op::SPLIT, SplitOptions{.num_splits = 1}, {}, {1, 4, 5, 6}, 0},
      {Op::TRANSPOSE, {}, {4}, {1, 6, 4, 5}},
      {Op::PAD, {}, {4, 2}, {1, 6, 7, 6}},
      {Op::TILE, {}, {4}, {1, 8, 5, 6}},
      {Op::BROADCAST_TO, {}, {4}, {3, 4, 5, 6}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(to_string(c.op));
    Builder b;
    const int x = b.input({1, 4, 5, 6});
    Subgraph& graph = b.graph();
    const int attribute = graph.add_tensor("attribute", Type::INT32, c.attribute);
    graph.inputs.push_back(attribute);
    const bool finds_places = c.op == Op::ARG_MAX || c.op == Op::ARG_MIN;
    const int y = graph.add_tensor("y", finds_places ? Type::INT64 : Type::FLOAT32, c.result);
    const std::vector<int> operands = c.slot == 0 ? std::vector<int>{attribute, x} : std::vector<int>{x, attribute};
    graph.add_operator(c.op, operands, {y}, c.options);
    Model model = b.finish({y});
    EXPECT_EQ(assign_layout(model).transposes, 0);
    ASSERT_EQ(model.subgraphs[0].operators.size(), 1U);
    EXPECT_EQ(model.subgraphs[0].operators[0].inputs, operands);
    EXPECT_EQ(model.subgraphs[0].tensors[static_cast<size_t>(y)].shape, c.result);
  }
}

TEST(Layout, KeepsTheTransposeOfAnOpaqueTensor) {
  Builder b;
  const int x = b.input({1, 4, 5, 6});
  b.graph().tensors[static_cast<size_t>(x)].opaque = true;
  Model model = b.finish({b.transpose(x, {0, 3, 1, 2})});
  assign_layout(model);
  EXPECT_EQ(count(model, Op::TRANSPOSE), 1);
}

}  // namespace
}  // namespace tinyml::tflite
