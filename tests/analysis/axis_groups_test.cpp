#include "tinyml/axis_groups.h"

#include <gtest/gtest.h>

#include "tinyml/error.h"

namespace tinyml {
namespace {

using Axes = std::vector<int64_t>;

TEST(AxisGroups, MergeAndKeep) {
  const auto groups = find_axis_groups({2, 64, 7, 7}, {2, 3136});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].inputs, Axes({0}));
  EXPECT_EQ(groups[1].inputs, Axes({1, 2, 3}));
  EXPECT_EQ(groups[1].outputs, Axes({1}));
}

TEST(AxisGroups, SplitsAndIgnoresOnes) {
  const auto groups = find_axis_groups({1, 12, 1, 5}, {1, 3, 4, 5, 1});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].inputs, Axes({1}));
  EXPECT_EQ(groups[0].outputs, Axes({1, 2}));
  EXPECT_EQ(groups[1].outputs, Axes({3}));
}

TEST(AxisGroups, CrossingFactorsStayTogether) {
  const auto groups = find_axis_groups({4, 6}, {6, 4});
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].inputs, Axes({0, 1}));
  EXPECT_EQ(groups[0].outputs, Axes({0, 1}));
}

TEST(AxisGroups, RefusesOtherNumbersOfElements) {
  EXPECT_THROW(find_axis_groups({4, 6}, {5, 5}), Error);
  EXPECT_THROW(find_axis_groups({4, 6}, {4}), Error);
  EXPECT_THROW(find_axis_groups({0, 6}, {6, 0}), Error);
}

}  // namespace
}  // namespace tinyml
