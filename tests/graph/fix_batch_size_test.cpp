#include "tinyml/fix_batch_size.h"

#include <gtest/gtest.h>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

std::shared_ptr<const SymExpr> symbol(const std::string& name) {
  return SymExpr::parse("Symbol('" + name + "', positive=True, integer=True)");
}

/// x [batch, 3, length] -> reshape to [batch, 3 * length], the sizes read from x.
Graph dynamic_reshape() {
  Graph graph;
  TensorType type = TensorType::of(ScalarType::kFloat32, {2, 3, 5});
  type.shape[0] = Dim(symbol("s0"), 2);
  type.shape[2] = Dim(symbol("s1"), 5);
  const ValueId x = graph.add_input("x", type);
  Value batch;
  batch.name = "batch";
  batch.kind = ValueKind::kSymInt;
  batch.symbol = type.shape[0];
  const ValueId size = graph.add_value(batch);
  graph.add_node({.op = "aten.sym_size.int",
                  .args = make_args("aten.sym_size.int", {{"self", x}, {"dim", 0}}),
                  .outputs = {size},
                  .returns_list = false,
                  .metadata = {}});
  TensorType flat = TensorType::of(ScalarType::kFloat32, {2, 15});
  flat.shape[0] = type.shape[0];
  flat.shape[1] = Dim(SymExpr::parse("Mul(Integer(3), Symbol('s1', positive=True, integer=True))"), 15);
  const ValueId y = graph.add_operator(
      "aten.reshape.default",
      make_args("aten.reshape.default", {{"self", x}, {"shape", Argument::List{size, int64_t{-1}}}}), flat);
  graph.add_output({y, OutputKind::kUser, ""});
  return graph;
}

TEST(FixBatchSize, MakesNumbersOfWhatFollowsFromTheBatch) {
  const Graph graph = fix_batch_size(dynamic_reshape(), 7);
  verify(graph);
  ASSERT_EQ(graph.node_count(), 1) << "nobody asks for the size";
  const Node& reshape = graph.node(graph.first_node());
  EXPECT_EQ(reshape.arg("shape").as_ints(), (std::vector<int64_t>{7, -1}));
  const Shape& shape = graph.tensor_type(reshape.output()).shape;
  EXPECT_EQ(shape[0], Dim(7));
  EXPECT_FALSE(shape[1].is_static()) << "the length stays dynamic";
  EXPECT_EQ(graph.tensor_type(graph.inputs()[0].value).shape[0], Dim(7));
}

TEST(FixBatchSize, RefusesWhatHasNoBatch) {
  EXPECT_THROW(fix_batch_size(dynamic_reshape(), 0), Error);
  EXPECT_THROW(fix_batch_size(fix_batch_size(dynamic_reshape(), 1), 2), Error);
}

}  // namespace
}  // namespace tinyml
