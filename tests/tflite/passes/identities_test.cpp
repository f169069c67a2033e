// What returns its input unchanged goes, but not on the ground of sizes that nobody knows yet.
#include <gtest/gtest.h>

#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// Whether the operator on x of one row (or of any number of rows) and the attributes is taken for an identity; an
// attribute without values is an input.
bool is_removed(Op op, bool any_rows, const std::vector<std::vector<int32_t>>& attributes) {
  Subgraph graph;
  graph.name = "main";
  const auto add = [&](const char* name) {
    const int id = graph.add_tensor(name, Type::FLOAT32, {1, 4});
    if (any_rows) graph.tensors[static_cast<size_t>(id)].shape_signature = {-1, 4};
    return id;
  };
  const int x = add("x");
  const int y = add("y");
  const int z = add("z");
  graph.inputs = {x};
  std::vector<int> operands = {x};
  for (const std::vector<int32_t>& values : attributes) {
    operands.push_back(values.empty() ? graph.add_tensor("computed", Type::INT32, {2})
                                      : graph.add_constant("attribute", std::vector<int32_t>(values)));
    if (values.empty()) graph.inputs.push_back(operands.back());
  }
  graph.add_operator(op, operands, {y});
  graph.add_operator(Op::ABS, {y}, {z});
  graph.outputs = {z};
  return remove_identities(graph) == 1;
}

TEST(RemoveIdentities, OfKnownSizes) {
  EXPECT_TRUE(is_removed(Op::SLICE, false, {{}, {}}));  // Only from the beginning are there so many.
  EXPECT_TRUE(is_removed(Op::TILE, false, {{1, 1}}));
  EXPECT_TRUE(is_removed(Op::BROADCAST_TO, false, {{1, 4}}));
}

TEST(RemoveIdentities, OfUnknownSizesOnlyWhereTheAttributesSaySo) {
  EXPECT_TRUE(is_removed(Op::SLICE, true, {{0, 0}, {-1, 4}}));
  EXPECT_FALSE(is_removed(Op::SLICE, true, {{1, 0}, {-1, 4}}));
  EXPECT_FALSE(is_removed(Op::SLICE, true, {{0, 0}, {}}));
  EXPECT_FALSE(is_removed(Op::SLICE, true, {{}, {-1, 4}}));
  EXPECT_TRUE(is_removed(Op::TILE, true, {{1, 1}}));
  EXPECT_FALSE(is_removed(Op::TILE, true, {{2, 1}}));
  EXPECT_FALSE(is_removed(Op::TILE, true, {{}}));
  EXPECT_FALSE(is_removed(Op::BROADCAST_TO, true, {{}}));
}

}  // namespace
}  // namespace tinyml::tflite
