#include "tflite/dynamic/size_source.h"

#include <gtest/gtest.h>

namespace tinyml::tflite {
namespace {

const std::vector<Samples> kPool = {{11, 14, 17, 23}, {31, 40, 53, 61}};

int64_t at(const SizeFormula& formula, size_t k) {
  return formula.apply(kPool[formula.a][k], formula.b ? kPool[*formula.b][k] : 1);
}

TEST(FindFormula, GivesEverySampleBack) {
  const std::vector<Samples> sizes = {
      {11, 14, 17, 23},       // a size itself
      {44, 56, 68, 92},       // a multiple
      {341, 560, 901, 1403},  // a product
      {9, 12, 15, 21},        // a window of 3 moved over it
      {23, 29, 35, 47},       // 2 * size + 1
      {6, 7, 9, 12},          // (size + 1) / 2
      {16, 20, 27, 31},       // a stride of 2 over the other one
  };
  for (const Samples& wanted : sizes) {
    const auto formula = find_formula(wanted, kPool);
    ASSERT_TRUE(formula.has_value()) << wanted[0];
    for (size_t k = 0; k < wanted.size(); ++k) EXPECT_EQ(at(*formula, k), wanted[k]);
  }
}

TEST(FindFormula, RefusesWhatFollowsFromNothing) { EXPECT_FALSE(find_formula({5, 900, 3, 71}, kPool).has_value()); }

TEST(SizeSource, ReadsSizesOnceAndMergesConstants) {
  Subgraph graph;
  const int x = graph.add_tensor("x", Type::FLOAT32, {11, 31, 3});
  SizeSource source(graph);
  source.add(x, {kPool[0], kPool[1], {3, 3, 3, 3}});
  const int first = source.vector_of({{1, 1, 1, 1}, {8, 8, 8, 8}, kPool[0]});
  const size_t operators = graph.operators.size();
  EXPECT_EQ(operators, 3U);  // SHAPE, STRIDED_SLICE, CONCATENATION of {1, 8} and the size
  EXPECT_EQ(graph.operators.back().inputs.size(), 2U);
  EXPECT_EQ(graph.tensors[static_cast<size_t>(first)].shape, Shape{3});
  source.vector_of({kPool[0], {2, 2, 2, 2}});
  EXPECT_EQ(graph.operators.size(), operators + 1);
  EXPECT_EQ(source.vector_of({{5, 900, 3, 71}}), kNoTensor);
}

}  // namespace
}  // namespace tinyml::tflite
