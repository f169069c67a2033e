#include "tinyml/suggest.h"

#include <gtest/gtest.h>

namespace tinyml {
namespace {

TEST(Suggest, NamesTheNearest) {
  const std::vector<std::string> known = {"sparsity", "metrics", "skip_last_fc"};
  EXPECT_EQ(nearest_name("sparsty", known), "sparsity");
  EXPECT_EQ(nearest_name("metric", known), "metrics");
  EXPECT_EQ(nearest_name("colour", known), "");
  EXPECT_EQ(nearest_name("", known), "");
}

TEST(Suggest, GlobsMatchWholeTexts) {
  EXPECT_TRUE(matches_glob("features.*.conv?", "features.3.block.conv1"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(matches_glob("a*b", "abc"));
  EXPECT_FALSE(matches_glob("conv", "conv1"));
}

}  // namespace
}  // namespace tinyml
