// Subgraphs of constants are evaluated: every operator that the folding knows, with values worked out by hand.
#include <gtest/gtest.h>

#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// One operator on constants whose result an ABS reads, so that it is no output of the subgraph.
class Folded {
 public:
  Folded() { graph_.name = "main"; }

  int floats(std::vector<float> values, Shape shape) { return graph_.add_constant("f", std::move(values), shape); }
  int integers(std::vector<int32_t> values, Shape shape) { return graph_.add_constant("i", std::move(values), shape); }
  int booleans(std::vector<uint8_t> values, Shape shape) {
    return graph_.add_constant("b", Type::BOOL, shape, Buffer::of(std::move(values)));
  }

  template <class T>
  std::vector<T> run(Op op, std::vector<int> inputs, Type type, Shape shape, Options options = {}) {
    const int out = graph_.add_tensor("out", type, shape);
    const int end = graph_.add_tensor("end", type, shape);
    graph_.add_operator(op, std::move(inputs), {out}, std::move(options));
    graph_.add_operator(Op::ABS, {out}, {end});
    graph_.outputs = {end};
    EXPECT_GE(fold_constants(graph_, false), 1);
    const Tensor& result = graph_.tensors[static_cast<size_t>(out)];
    EXPECT_EQ(result.buffer.size(), static_cast<size_t>(element_count(shape)) * sizeof(T));
    const auto values = result.buffer.as<T>();
    return {values.begin(), values.end()};
  }

 private:
  Subgraph graph_;
};

using Floats = std::vector<float>;
using Bytes = std::vector<uint8_t>;

TEST(FoldConstants, Comparisons) {
  const std::vector<std::pair<Op, Bytes>> cases = {{Op::EQUAL, {0, 1, 0, 0}},   {Op::NOT_EQUAL, {1, 0, 1, 1}},
                                                   {Op::LESS, {1, 0, 0, 0}},    {Op::LESS_EQUAL, {1, 1, 0, 0}},
                                                   {Op::GREATER, {0, 0, 1, 1}}, {Op::GREATER_EQUAL, {0, 1, 1, 1}}};
  for (const auto& [op, expected] : cases) {
    Folded f;
    EXPECT_EQ(f.run<uint8_t>(op, {f.floats({1, 2, 3, 4}, {2, 2}), f.floats({2}, {})}, Type::BOOL, {2, 2}), expected);
    Folded g;
    const int column = g.integers({2, 2}, {2, 1});
    EXPECT_EQ(g.run<uint8_t>(op, {g.integers({1, 2, 3, 4}, {2, 2}), column}, Type::BOOL, {2, 2}), expected);
  }
}

TEST(FoldConstants, Creation) {
  Folded r;
  EXPECT_EQ(
      r.run<int32_t>(Op::RANGE, {r.integers({7}, {}), r.integers({0}, {}), r.integers({-3}, {})}, Type::INT32, {3}),
      (std::vector<int32_t>{7, 4, 1}));
  Folded e;
  EXPECT_EQ(
      e.run<float>(Op::RANGE, {e.floats({0.5F}, {}), e.floats({2}, {}), e.floats({0.5F}, {})}, Type::FLOAT32, {3}),
      (Floats{0.5F, 1, 1.5F}));
  Folded f;
  EXPECT_EQ(f.run<float>(Op::FILL, {f.integers({2, 2}, {2}), f.floats({3}, {})}, Type::FLOAT32, {2, 2}),
            (Floats{3, 3, 3, 3}));
  Folded s;
  EXPECT_EQ(s.run<int32_t>(Op::SHAPE, {s.floats({1, 2, 3, 4, 5, 6}, {1, 2, 3})}, Type::INT32, {3}),
            (std::vector<int32_t>{1, 2, 3}));
}

TEST(FoldConstants, StridedSlices) {
  struct Case {
    std::vector<int32_t> begin, end, steps;
    StridedSliceOptions options;
    Shape shape;
    Floats expected;
  };
  const std::vector<Case> cases = {
      {{0, 1}, {2, 3}, {1, 1}, {}, {2, 2}, {2, 3, 5, 6}},
      {{1, 2}, {-5, -5}, {-1, -2}, {}, {2, 2}, {6, 4, 3, 1}},
      {{0, 9}, {0, 0}, {1, 2}, {.begin_mask = 2, .end_mask = 3}, {2, 2}, {1, 3, 4, 6}},
      {{-1}, {0}, {1}, {.shrink_axis_mask = 1}, {3}, {4, 5, 6}},
      {{1, 1}, {2, 2}, {1, 1}, {.shrink_axis_mask = 3}, {}, {5}},
  };
  for (const Case& c : cases) {
    Folded f;
    const int x = f.floats({1, 2, 3, 4, 5, 6}, {2, 3});
    const Shape rank = {static_cast<int32_t>(c.begin.size())};
    EXPECT_EQ(f.run<float>(Op::STRIDED_SLICE,
                           {x, f.integers(c.begin, rank), f.integers(c.end, rank), f.integers(c.steps, rank)},
                           Type::FLOAT32, c.shape, c.options),
              c.expected);
  }
}

TEST(FoldConstants, SizesThatMayChangeStay) {
  for (const bool dynamic : {false, true}) {
    Subgraph graph;
    graph.inputs = {graph.add_tensor("x", Type::FLOAT32, {1, 4})};
    if (dynamic) graph.tensors[0].shape_signature = {-1, 4};
    const int copy = graph.add_tensor("copy", Type::FLOAT32, {1, 4});  // does not say so itself
    const int shape = graph.add_tensor("shape", Type::INT32, {2});
    const int out = graph.add_tensor("out", Type::INT32, {2});
    graph.add_operator(Op::ABS, {0}, {copy});
    graph.add_operator(Op::SHAPE, {copy}, {shape}, ShapeOptions{});
    graph.add_operator(Op::ABS, {shape}, {out});
    graph.outputs = {out};
    EXPECT_EQ(fold_constants(graph, false), dynamic ? 0 : 1);
  }
}

TEST(FoldConstants, Logic) {
  Folded a;
  EXPECT_EQ(a.run<uint8_t>(Op::LOGICAL_AND, {a.booleans({1, 1, 0}, {3}), a.booleans({1, 0, 0}, {3})}, Type::BOOL, {3}),
            (Bytes{1, 0, 0}));
  Folded o;
  EXPECT_EQ(o.run<uint8_t>(Op::LOGICAL_OR, {o.booleans({1, 1, 0}, {3}), o.booleans({1, 0, 0}, {3})}, Type::BOOL, {3}),
            (Bytes{1, 1, 0}));
  Folded n;
  EXPECT_EQ(n.run<uint8_t>(Op::LOGICAL_NOT, {n.booleans({1, 0}, {2})}, Type::BOOL, {2}), (Bytes{0, 1}));
}

TEST(FoldConstants, SelectionBroadcastsItsCondition) {
  Folded f;
  const std::vector<int> inputs = {f.booleans({1, 0}, {2, 1}), f.floats({1, 2, 3, 4}, {2, 2}), f.floats({-9}, {})};
  EXPECT_EQ(f.run<float>(Op::SELECT_V2, inputs, Type::FLOAT32, {2, 2}), (Floats{1, 2, -9, -9}));
}

TEST(FoldConstants, Reductions) {
  const std::vector<std::pair<Op, Floats>> cases = {{Op::SUM, {9, 12}},
                                                    {Op::MEAN, {3, 4}},
                                                    {Op::REDUCE_MAX, {5, 6}},
                                                    {Op::REDUCE_MIN, {1, 2}},
                                                    {Op::REDUCE_PROD, {15, 48}}};
  for (const auto& [op, expected] : cases) {
    Folded f;
    const std::vector<int> inputs = {f.floats({1, 2, 3, 4, 5, 6}, {3, 2}), f.integers({-2}, {1})};
    EXPECT_EQ(f.run<float>(op, inputs, Type::FLOAT32, {1, 2}, ReducerOptions{true}), expected);
  }
  Folded any;
  EXPECT_EQ(any.run<uint8_t>(Op::REDUCE_ANY, {any.booleans({0, 1, 0, 0}, {2, 2}), any.integers({1}, {1})}, Type::BOOL,
                             {2}, ReducerOptions{}),
            (Bytes{1, 0}));
  Folded all;
  EXPECT_EQ(all.run<uint8_t>(Op::REDUCE_ALL, {all.booleans({1, 1, 1, 0}, {2, 2}), all.integers({1}, {1})}, Type::BOOL,
                             {2}, ReducerOptions{}),
            (Bytes{1, 0}));
}

TEST(FoldConstants, SumsThatOverflowStay) {
  Subgraph g;
  const int x = g.add_constant("x", std::vector<int32_t>{2147483647, 1}, Shape{2});
  const int axis = g.add_constant("axis", std::vector<int32_t>{0});
  const int sum = g.add_tensor("sum", Type::INT32, {});
  const int end = g.add_tensor("end", Type::INT32, {});
  g.add_operator(Op::SUM, {x, axis}, {sum}, ReducerOptions{});
  g.add_operator(Op::ABS, {sum}, {end});
  g.outputs = {end};
  EXPECT_EQ(fold_constants(g, false), 0);
}

TEST(FoldConstants, CumulativeSums) {
  const auto run = [](bool exclusive, bool reverse) {
    Folded f;
    const std::vector<int> inputs = {f.floats({1, 2, 3, 4, 5, 6}, {3, 2}), f.integers({0}, {})};
    return f.run<float>(Op::CUMSUM, inputs, Type::FLOAT32, {3, 2}, CumsumOptions{exclusive, reverse});
  };
  EXPECT_EQ(run(false, false), (Floats{1, 2, 4, 6, 9, 12}));
  EXPECT_EQ(run(true, false), (Floats{0, 0, 1, 2, 4, 6}));
  EXPECT_EQ(run(false, true), (Floats{9, 12, 8, 10, 5, 6}));
  EXPECT_EQ(run(true, true), (Floats{8, 10, 5, 6, 0, 0}));
}

TEST(FoldConstants, Tiles) {
  Folded f;
  const std::vector<int> inputs = {f.floats({1, 2, 3, 4}, {2, 2}), f.integers({2, 3}, {2})};
  EXPECT_EQ(f.run<float>(Op::TILE, inputs, Type::FLOAT32, {4, 6}),
            (Floats{1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4, 1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
}

}  // namespace
}  // namespace tinyml::tflite
