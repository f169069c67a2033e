#include "graph/min_cut.h"

#include <gtest/gtest.h>

namespace tinyml {
namespace {

TEST(MinCut, FindsTheCheapestCut) {
  MinCut cut;
  const int a = cut.add_node();
  const int b = cut.add_node();
  cut.add_edge(cut.source(), a, 3);
  cut.add_edge(cut.source(), b, 5);
  cut.add_edge(a, cut.sink(), 4);
  cut.add_edge(b, cut.sink(), 1);
  cut.add_edge(b, a, 2);
  EXPECT_EQ(cut.solve(), 5);
  EXPECT_FALSE(cut.on_sink_side(b));
}

}  // namespace
}  // namespace tinyml
