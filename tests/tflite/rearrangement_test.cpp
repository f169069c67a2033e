#include "tflite/layout/rearrangement.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tflite/builder.h"
#include "tflite/passes/passes.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {
namespace {

TEST(Rearrangement, JoinsWhatStaysTogether) {
  Rearrangement r({1, 6, 4, 5});
  ASSERT_TRUE(r.reshape({1, 2, 3, 20}));
  r.transpose({0, 3, 1, 2});
  ASSERT_TRUE(r.reshape({20, 6}));
  EXPECT_EQ(r.atoms(), (Shape{6, 20}));
  EXPECT_EQ(r.order(), (Order{1, 0}));
}

TEST(Rearrangement, CutsAxesThatWereWhole) {
  Rearrangement r({12, 5});
  r.transpose({1, 0});
  ASSERT_TRUE(r.reshape({5, 3, 4}));
  r.transpose({2, 0, 1});
  EXPECT_EQ(r.atoms(), (Shape{3, 20}));  // 4 and 5 stay neighbours.
  EXPECT_EQ(r.order(), (Order{1, 0}));
  EXPECT_FALSE(r.reshape({6, 10}));  // 4 and 5 give no axis of 6.
}

TEST(Rearrangement, SeesWhenNothingMoves) {
  Rearrangement r({2, 3, 1, 4});
  r.transpose({0, 2, 1, 3});
  ASSERT_TRUE(r.reshape({6, 4}));
  r.transpose({1, 0});
  r.transpose({1, 0});
  EXPECT_TRUE(r.moves_nothing());
}

TEST(Rearrangement, FindsShufflesOfOneAxis) {
  const Shape shape = {2, 6, 5};
  Rearrangement r(shape);
  ASSERT_TRUE(r.reshape({2, 2, 3, 5}));
  r.transpose({0, 2, 1, 3});
  EXPECT_FALSE(axis_shuffle(shape, r).has_value());
  ASSERT_TRUE(r.reshape(shape));
  const auto shuffle = axis_shuffle(shape, r);
  ASSERT_TRUE(shuffle.has_value());
  EXPECT_EQ(shuffle->axis, 1);
  EXPECT_EQ(shuffle->indices, (std::vector<int32_t>{0, 3, 1, 4, 2, 5}));
}

// What a chain does to the numbers 0, 1, 2, ...
std::vector<int32_t> numbers_after(const Subgraph& graph) {
  std::vector<Buffer> values(graph.tensors.size());
  const Shape& source = graph.tensors[static_cast<size_t>(graph.inputs[0])].shape;
  std::vector<int32_t> numbers(static_cast<size_t>(element_count(source)));
  std::iota(numbers.begin(), numbers.end(), 0);
  values[static_cast<size_t>(graph.inputs[0])] = Buffer::of(numbers);
  for (const Operator& op : graph.operators) {
    const Buffer& x = values[static_cast<size_t>(op.inputs[0])];
    Buffer& out = values[static_cast<size_t>(op.outputs[0])];
    out = x;
    if (op.op != Op::TRANSPOSE) continue;
    const auto permutation = graph.tensors[static_cast<size_t>(op.inputs[1])].buffer.as<int32_t>();
    out = permute_bytes(x, 4, graph.tensors[static_cast<size_t>(op.inputs[0])].shape,
                        Order(permutation.begin(), permutation.end()));
  }
  const auto result = values[static_cast<size_t>(graph.outputs[0])].as<int32_t>();
  return {result.begin(), result.end()};
}

TEST(MergeRearrangements, KeepsTheNumbersOfRandomChains) {
  int merged = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    testing::Builder b(seed);
    const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(b.random()); };
    int x = b.input({2, 12, 1, 6});
    for (size_t i = 0; i < 2 + seed % 6; ++i) {
      Shape shape = b.shape(x);
      if (i % 2 == seed % 2) {
        std::vector<int32_t> permutation(shape.size());
        std::iota(permutation.begin(), permutation.end(), 0);
        std::shuffle(permutation.begin(), permutation.end(), b.random());
        x = b.transpose(x, permutation);
      } else if (shape.size() > 2 && below(2) == 0) {
        const size_t at = below(shape.size() - 1);
        shape[at] *= shape[at + 1];
        shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        x = b.reshape(x, shape);
      } else {
        const size_t at = below(shape.size());
        const int32_t factor = shape[at] % 3 == 0 ? 3 : shape[at] % 2 == 0 ? 2 : 1;
        shape[at] /= factor;
        shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), factor);
        x = b.reshape(x, shape);
      }
    }
    Model model = b.finish({x});
    Subgraph& graph = model.subgraphs[0];
    const std::vector<int32_t> expected = numbers_after(graph);
    merge_rearrangements(graph, false);
    remove_dead_code(graph);
    EXPECT_EQ(numbers_after(graph), expected) << "seed " << seed;
    merged += testing::count(model, Op::TRANSPOSE) <= 1 ? 1 : 0;
    EXPECT_EQ(merge_rearrangements(graph, false), 0) << "seed " << seed;
  }
  EXPECT_GT(merged, 300);
}

}  // namespace
}  // namespace tinyml::tflite
