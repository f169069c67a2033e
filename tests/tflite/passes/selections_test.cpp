// Passes over what is selected, joined, repeated and reduced.
#include <gtest/gtest.h>

#include "tflite/builder.h"
#include "tflite/passes/passes.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

using testing::Builder;
using testing::count;
using Ops = std::vector<Op>;

Ops optimized(Model model, Model* result = nullptr) {
  OptimizeOptions options;
  options.layout.channels_last_inputs = options.layout.channels_last_outputs = false;
  optimize(model, options);
  verify(model);
  Ops ops;
  for (const Operator& op : model.subgraphs[0].operators) ops.push_back(op.op);
  if (result != nullptr) *result = model;
  return ops;
}

TEST(MergeSelections, SlicesOfSlices) {
  Builder b;
  const int x = b.slice(b.slice(b.input({2, 10, 6}), {0, 2, 1}, {2, 7, 4}), {1, 1, 0}, {1, 3, 4});
  Model result;
  EXPECT_EQ(optimized(b.finish({x}), &result), Ops{Op::SLICE});
  const Subgraph& g = result.subgraphs[0];
  const auto begin = g.tensors[static_cast<size_t>(g.operators[0].inputs[1])].buffer.as<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(begin.begin(), begin.end()), (std::vector<int32_t>{1, 3, 1}));
}

TEST(MergeSelections, SplitOfConcatenationIsNothing) {
  Builder b;
  const int x = b.input({1, 4});
  const int y = b.input({1, 4});
  const auto parts = b.split(b.concatenation({x, y}, 1), 1, 2);
  EXPECT_EQ(optimized(b.finish({b.unary(Op::EXP, parts[0]), b.unary(Op::ABS, parts[1])})), (Ops{Op::EXP, Op::ABS}));
}

TEST(MergeSelections, UnusedResultsOfSplit) {
  Builder b;
  const auto parts = b.split(b.input({1, 9}), 1, 3);
  EXPECT_EQ(optimized(b.finish({b.unary(Op::EXP, parts[1])})), (Ops{Op::SLICE, Op::EXP}));
}

TEST(MergeSelections, JoinsAgainWhatLaySideBySide) {
  Builder b;
  const int x = b.unary(Op::EXP, b.input({1, 9}));
  const int y = b.concatenation({b.slice(x, {0, 0}, {1, 4}), b.slice(x, {0, 4}, {1, 5})}, 1);
  EXPECT_EQ(optimized(b.finish({b.unary(Op::ABS, y)})), (Ops{Op::EXP, Op::ABS}));
}

TEST(MergeSelections, ConcatenationsOfConcatenations) {
  Builder b;
  const int x = b.input({1, 3});
  const int y = b.input({1, 4});
  const int inner = b.concatenation({x, y}, 1);
  EXPECT_EQ(optimized(b.finish({b.concatenation({inner, b.unary(Op::EXP, x)}, 1)})), (Ops{Op::EXP, Op::CONCATENATION}));
}

TEST(MergeArithmetic, ConstantsOfAChainAreOne) {
  for (const auto& [first, second, left] : std::vector<std::tuple<Op, Op, Op>>{{Op::MUL, Op::MUL, Op::MUL},
                                                                               {Op::ADD, Op::SUB, Op::ADD},
                                                                               {Op::SUB, Op::SUB, Op::SUB},
                                                                               {Op::DIV, Op::MUL, Op::MUL}}) {
    Builder b;
    const int x = b.binary(first, b.input({2, 5}), b.constant({5}, 1, 2));
    EXPECT_EQ(optimized(b.finish({b.binary(second, x, b.constant({1}, 1, 2))})), Ops{left});
  }
}

TEST(MergeChains, CastsThatLoseNothing) {
  for (const Type middle : {Type::INT64, Type::INT8}) {
    Builder b;
    const int x = b.graph().add_tensor("x", Type::INT32, {4});
    b.graph().inputs.push_back(x);
    const int y = b.graph().add_tensor("y", middle, {4});
    const int z = b.graph().add_tensor("z", Type::FLOAT32, {4});
    b.graph().add_operator(Op::CAST, {x}, {y}, CastOptions{Type::INT32, middle});
    b.graph().add_operator(Op::CAST, {y}, {z}, CastOptions{middle, Type::FLOAT32});
    EXPECT_EQ(optimized(b.finish({b.unary(Op::EXP, z)})).size(), middle == Type::INT64 ? 2U : 3U);
  }
}

TEST(MergeReductions, OneOverAllAxes) {
  Builder b;
  const int x = b.mean(b.mean(b.input({2, 3, 4, 5}), {2}, true), {3}, true);
  EXPECT_EQ(optimized(b.finish({x})), Ops{Op::MEAN});
}

TEST(FoldInputAffine, GoesIntoTheLinearLayerBehind) {
  Builder b;
  int x = b.input({1, 4, 6});
  x = b.binary(Op::ADD, b.binary(Op::MUL, x, b.constant({6})), b.constant({6}));
  EXPECT_EQ(optimized(b.finish({b.linear(x, 5)})), Ops{Op::FULLY_CONNECTED});
}

TEST(FoldInputAffine, FactorsPassPaddingAndSummandsDoNot) {
  for (const Op op : {Op::MUL, Op::ADD}) {
    Builder b;
    int x = b.max_pool(b.input({1, 4, 8, 8}));
    x = b.pad(b.binary(op, x, b.constant({4, 1, 1})), {0, 0, 0, 0, 1, 1, 1, 1});
    Model result;
    optimized(b.finish({b.convolution(x, 3)}), &result);
    EXPECT_EQ(count(result, op), op == Op::MUL ? 0 : 1);
  }
}

TEST(FoldAffine, PassesReshapesAveragesAndConcatenations) {
  Builder b;
  const int x = b.input({1, 3, 1, 8});
  const int line = b.reshape(b.convolution(x, 4, 1), {1, 4, 8});
  const int scaled = b.binary(Op::MUL, line, b.constant({4, 1}));
  Model result;
  optimized(b.finish({b.unary(Op::RELU, scaled)}), &result);
  EXPECT_EQ(count(result, Op::MUL) + count(result, Op::RELU), 0);

  Builder c;
  const int y = c.input({1, 3, 8, 8});
  const int joined = c.concatenation({c.convolution(y, 4, 1), c.average_pool(c.convolution(y, 5, 1), 1)}, 1);
  optimized(c.finish({c.binary(Op::MUL, joined, c.constant({9, 1, 1}))}), &result);
  EXPECT_EQ(count(result, Op::MUL), 0);
}

TEST(DropBroadcasts, TheOperatorBroadcastsByItself) {
  Builder b;
  const int x = b.input({2, 5});
  const int row = b.unary(Op::EXP, b.input({1, 5}));
  const int wide = b.graph().add_tensor("wide", Type::FLOAT32, {2, 5});
  b.graph().add_operator(Op::BROADCAST_TO, {row, b.graph().add_constant("shape", {2, 5})}, {wide});
  EXPECT_EQ(optimized(b.finish({b.binary(Op::ADD, x, wide)})), (Ops{Op::EXP, Op::ADD}));
}

TEST(ProtectSharedMemory, CopiesWhatWouldBeOverwritten) {
  for (const bool read_again : {false, true}) {
    Builder b;
    const int u = b.linear(b.input({4, 6}), 6);
    const int v = b.binary(Op::ADD, u, b.constant({4, 6}));
    const int w = b.binary(Op::MUL, b.reshape(v, {2, 12}), b.constant({2, 12}));
    const int other = b.unary(Op::EXP, read_again ? v : u);
    Model model = b.finish({b.reshape(w, {24}), other});
    EXPECT_EQ(protect_shared_memory(model.subgraphs[0]), read_again ? 1 : 0);
    verify(model);
  }
}

TEST(Passes, KeepTheFileSoundAfterEachOne) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Model model = testing::random_model(seed, 8 + static_cast<int>(seed % 12));
    OptimizeOptions options;
    options.verify_passes = true;
    EXPECT_NO_THROW(optimize(model, options)) << "seed " << seed;
  }
}

TEST(Passes, NameTheOneThatBreaksAModel) {
  Builder b;
  Model model = b.finish({b.unary(Op::EXP, b.unary(Op::ABS, b.input({2, 3})))});
  OptimizeOptions options;
  options.verify_passes = true;
  EXPECT_NO_THROW(optimize(model, options));
  model.subgraphs[0].tensors[static_cast<size_t>(model.subgraphs[0].outputs[0])].shape = {3, 3};
  EXPECT_THROW(optimize(model, options), Error);
}

TEST(FoldConstants, SubgraphsOfConstants) {
  Builder b;
  Subgraph& g = b.graph();
  const int rows = g.add_constant("rows", std::vector<int32_t>{2, 0});
  const int table = g.add_constant("table", std::vector<float>{1, 2, 3, 4, 5, 6}, Shape{3, 2});
  const int picked = g.add_tensor("picked", Type::FLOAT32, {2, 2});
  g.add_operator(Op::GATHER, {table, rows}, {picked}, GatherOptions{});
  const int padded = b.pad(b.slice(picked, {0, 1}, {2, 1}), {1, 0, 0, 1});  // 3x2
  const int joined = b.concatenation({padded, table}, 0);                   // 6x2
  Model model = b.finish({b.binary(Op::ADD, b.input({6, 2}), joined)});
  Model result;
  EXPECT_EQ(optimized(model, &result), Ops{Op::ADD});
  const Operator& add = result.subgraphs[0].operators[0];
  const auto values = result.subgraphs[0].tensors[static_cast<size_t>(add.inputs[1])].buffer.as<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{0, 0, 6, 0, 2, 0, 1, 2, 3, 4, 5, 6}));
}

TEST(ExpandShuffles, LeavesWhatIsNoPermutation) {
  Builder b;
  const int x = b.unary(Op::EXP, b.input({1, 4, 6}));
  const int rows = b.graph().add_constant("rows", std::vector<int32_t>{0, 0, 1, 1});
  const int y = b.graph().add_tensor("y", Type::FLOAT32, {1, 4, 6});
  b.graph().add_operator(Op::GATHER, {x, rows}, {y}, GatherOptions{.axis = 1});
  EXPECT_EQ(optimized(b.finish({y})), (Ops{Op::EXP, Op::GATHER}));
}

// Branches of an IF: what goes in and out keeps its place, whatever becomes of the operators.
TEST(Passes, KeepTheBoundaryOfBranches) {
  Builder b;
  const int condition = b.graph().add_tensor("condition", Type::BOOL, {});
  b.graph().inputs.push_back(condition);
  const int x = b.input({1, 4, 6, 6});
  const int y = b.convolution(x, 4, 1);
  const int first = b.graph().add_tensor("first", Type::FLOAT32, {1, 4, 6, 6});
  const int second = b.graph().add_tensor("second", Type::FLOAT32, {1, 4, 6, 6});
  b.graph().add_operator(Op::IF, {condition, y}, {first, second}, IfOptions{.then_subgraph = 1, .else_subgraph = 2});
  for (const bool then : {true, false}) {
    Builder branch(then ? 2 : 3);
    const int z = branch.input({1, 4, 6, 6});
    const int scaled = branch.binary(Op::MUL, branch.convolution(z, 4, 1), branch.constant({4, 1, 1}));
    const int same = branch.reshape(branch.reshape(z, {4, 36}), {1, 4, 6, 6});
    branch.graph().outputs = then ? std::vector<int>{scaled, same} : std::vector<int>{same, scaled};
    b.model.subgraphs.push_back(branch.graph());
  }
  Model model = b.finish({b.binary(Op::ADD, first, second)});
  OptimizeOptions options;
  options.verify_passes = true;
  optimize(model, options);
  verify(model);
  for (size_t s : {size_t{1}, size_t{2}}) {
    const Subgraph& g = model.subgraphs[s];
    ASSERT_EQ(g.inputs.size(), 1U);
    ASSERT_EQ(g.outputs.size(), 2U);
    EXPECT_NE(g.outputs[s - 1], g.outputs[2 - s]);
    for (const Operator& op : g.operators) EXPECT_NE(op.op, Op::MUL);
    for (const int id : g.outputs) EXPECT_EQ(g.tensors[static_cast<size_t>(id)].shape, (Shape{1, 4, 6, 6}));
  }
}

// What nobody reads of an IF is not computed in its branches either, unless another IF shares them.
TEST(DropBranchOutputs, InBothBranches) {
  for (const bool shared : {false, true}) {
    Builder b;
    const int condition = b.graph().add_tensor("condition", Type::BOOL, {});
    b.graph().inputs.push_back(condition);
    const int x = b.input({1, 6});
    std::vector<int> results;
    for (int n = 0; n < 4; ++n) results.push_back(b.graph().add_tensor("r" + std::to_string(n), Type::FLOAT32, {1, 6}));
    const IfOptions branches{.then_subgraph = 1, .else_subgraph = 2};
    b.graph().add_operator(Op::IF, {condition, x}, {results[0], results[1]}, branches);
    if (shared) b.graph().add_operator(Op::IF, {condition, results[1]}, {results[2], results[3]}, branches);
    for (const bool then : {true, false}) {
      Builder branch;
      const int z = branch.input({1, 6});
      branch.graph().outputs = {branch.unary(Op::EXP, z), branch.unary(then ? Op::ABS : Op::NEG, z)};
      b.model.subgraphs.push_back(branch.graph());
    }
    Model model = b.finish({shared ? results[3] : results[1]});
    OptimizeOptions options;
    options.verify_passes = true;
    optimize(model, options);
    verify(model);
    const size_t left = shared ? 2 : 1;
    EXPECT_EQ(model.subgraphs[0].operators[0].outputs.size(), left);
    for (const size_t s : {size_t{1}, size_t{2}}) {
      EXPECT_EQ(model.subgraphs[s].outputs.size(), left);
      EXPECT_EQ(model.subgraphs[s].operators.size(), left);
      EXPECT_EQ(model.subgraphs[s].operators.back().op, s == 1 ? Op::ABS : Op::NEG);
    }
  }
}

}  // namespace
}  // namespace tinyml::tflite
