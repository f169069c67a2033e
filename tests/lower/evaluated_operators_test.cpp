#include <gtest/gtest.h>

#include "evaluate/registry.h"
#include "tinyml/lower.h"

namespace tinyml::evaluation {
namespace {

TEST(LowerableOperators, AreEvaluated) {
  const std::vector<std::string> operators = lowerable_operators();
  ASSERT_GT(operators.size(), 600U);
  for (const std::string& op : operators) {
    if (op.starts_with("higher_order.")) continue;  // of graphs, not of tensors
    EXPECT_NE(find_operator(op), nullptr) << op;
  }
}

}  // namespace
}  // namespace tinyml::evaluation
