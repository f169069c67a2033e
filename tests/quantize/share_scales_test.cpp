#include "tinyml/share_scales.h"

#include <gtest/gtest.h>

#include "quantize/graphs.h"
#include "tinyml/quantize.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

void set_scale(Graph& graph, const std::string& name, float scale, int32_t zero_point) {
  const Binding* data = graph.find_binding(name + ".scale");
  ASSERT_NE(data, nullptr) << name;
  graph.set_binding_data(data->value, Tensor::from<float>({scale}, {1}));
  graph.set_binding_data(graph.find_binding(name + ".zero_point")->value, Tensor::from<int32_t>({zero_point}, {1}));
}

std::pair<double, double> scale_of(const Graph& graph, const std::string& name) {
  return {graph.find_binding(name + ".scale")->data.to_doubles()[0],
          graph.find_binding(name + ".zero_point")->data.to_doubles()[0]};
}

// Two units of a shuffled stage: half of what the first one joins becomes a part of what the second joins.
Graph stage() {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const auto half = [&](ValueId value, int64_t start) {
    return b.call("aten.slice.Tensor", {{"self", value}, {"dim", 1}, {"start", start}, {"end", start + 2}},
                  {1, 2, 8, 8});
  };
  const ValueId first = b.cat({b.relu(b.conv(x, "a", 2)), b.relu(b.conv(x, "b", 2))});
  const ValueId moved = b.max_pool(half(first, 0));
  const ValueId second = b.cat({moved, b.max_pool(b.relu(b.conv(half(first, 2), "c", 2)))});
  b.output(b.conv(second, "last", 4));
  return quantize(b.graph);
}

TEST(ShareScales, UnitsOfAStageTakeOneScale) {
  Graph graph = stage();
  set_scale(graph, "fq_x", 0.02F, 3);
  set_scale(graph, "fq_cat", 0.02F, -128);
  set_scale(graph, "fq_cat_1", 0.023F, -120);
  const Graph shared = share_scales(graph);
  EXPECT_EQ(scale_of(shared, "fq_cat"), scale_of(shared, "fq_cat_1"));
  EXPECT_NEAR(scale_of(shared, "fq_cat").first, 0.023, 1e-6);  // Holds both ranges.
  EXPECT_EQ(scale_of(shared, "fq_cat").second, -120);
  EXPECT_EQ(scale_of(shared, "fq_x"), scale_of(graph, "fq_x"));  // Is part of none.
  const Graph again = share_scales(shared);
  EXPECT_EQ(scale_of(again, "fq_cat"), scale_of(shared, "fq_cat"));
}

TEST(ShareScales, ScalesThatDifferMuchStay) {
  Graph graph = stage();
  set_scale(graph, "fq_cat", 0.02F, -128);
  set_scale(graph, "fq_cat_1", 0.026F, -128);
  const Graph same = share_scales(graph);
  EXPECT_EQ(scale_of(same, "fq_cat"), scale_of(graph, "fq_cat"));
  EXPECT_EQ(scale_of(same, "fq_cat_1"), scale_of(graph, "fq_cat_1"));
  set_scale(graph, "fq_cat_1", 0.02F, 0);  // As fine, of another range: both of them need one that is half as fine.
  EXPECT_EQ(scale_of(share_scales(graph), "fq_cat"), scale_of(graph, "fq_cat"));
}

// The finest of all that share a scale counts, not that of the last pair.
TEST(ShareScales, SmallDifferencesDoNotAddUp) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, 8, 8});
  ValueId joined = b.cat({x, b.conv(x, "c0", 2)});
  for (int i = 1; i < 4; ++i) {
    const ValueId kept =
        b.call("aten.slice.Tensor", {{"self", joined}, {"dim", 1}, {"start", 0}, {"end", 2}}, {1, 2, 8, 8});
    joined = b.cat({kept, b.conv(joined, "c" + std::to_string(i), 2)});
  }
  b.output(b.conv(joined, "last", 2));
  Graph graph = quantize(b.graph);
  const std::vector<std::string> names = {"fq_x", "fq_cat", "fq_cat_1", "fq_cat_2", "fq_cat_3"};
  float scale = 0.01F;
  for (const std::string& name : names) set_scale(graph, name, scale *= 1.12F, 0);
  const Graph shared = share_scales(graph);
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_LE(scale_of(shared, names[i]).first, 1.2501 * scale_of(graph, names[i]).first) << names[i];
    EXPECT_GE(scale_of(shared, names[i]).first, 0.9999 * scale_of(graph, names[i]).first) << names[i];
  }
  EXPECT_EQ(scale_of(shared, names[0]), scale_of(shared, names[1]));
  EXPECT_NE(scale_of(shared, names[0]), scale_of(shared, names[4]));
}

}  // namespace
}  // namespace tinyml
