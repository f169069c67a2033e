#include <gtest/gtest.h>

#include <string>

#include "tinyml/graph.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

Graph valid_graph() {
  Graph graph;
  const TensorType type = TensorType::of(ScalarType::kFloat32, {2, 3});
  const ValueId x = graph.add_input("x", type);
  const ValueId weight = graph.add_binding(BindingKind::kParameter, "fc.weight", Tensor(ScalarType::kFloat32, {3, 3}));
  const ValueId y = graph.add_operator("aten.linear.default",
                                       make_args("aten.linear.default", {{"input", x}, {"weight", weight}}), type);
  graph.add_output({Argument(y), {}, {}});
  return graph;
}

size_t defects(const Graph& graph) {
  try {
    verify(graph);
  } catch (const Error& error) {
    return error.diagnostics().size();
  }
  return 0;
}

TEST(Verify, AcceptsAValidGraph) { EXPECT_EQ(defects(valid_graph()), 0u); }

TEST(Verify, ListsEveryDefect) {
  Graph graph = valid_graph();
  const ValueId x = graph.inputs()[0].value;
  // Arguments that are not the schema's, the wrong number of results, a use before the definition, an unknown buffer.
  graph.add_node({"aten.relu.default", {{"input", Argument(x)}}, {}, false, {}}, graph.first_node());
  graph.add_node({"aten.neg.default",
                  {{"self", Argument(graph.node(graph.next_node(graph.first_node())).output())}},
                  {graph.add_value("z", TensorType::of(ScalarType::kFloat32, {}))},
                  false,
                  {}},
                 graph.first_node());
  graph.add_output({Argument(x), OutputKind::kBufferMutation, "missing"});
  EXPECT_EQ(defects(graph), 4u);
}

TEST(Verify, ComparesBindingsWithTheirValues) {
  Graph graph = valid_graph();
  graph.set_tensor_type(graph.bindings()[0].value, TensorType::of(ScalarType::kFloat32, {3, 4}));
  EXPECT_EQ(defects(graph), 1u);
}

TEST(Print, ShowsValuesTypesAndArguments) {
  const std::string text = to_string(valid_graph());
  EXPECT_NE(text.find("%p_fc_weight: float32[3, 3] = parameter 'fc.weight'"), std::string::npos) << text;
  EXPECT_NE(text.find("%linear: float32[2, 3] = aten.linear.default(input=%x, weight=%p_fc_weight)"), std::string::npos)
      << text;
  EXPECT_NE(text.find("return (%linear)"), std::string::npos) << text;
}

TEST(Dot, HasANodeForEachOperatorAndAnEdgeForEachUse) {
  const std::string dot = to_dot(valid_graph());
  EXPECT_NE(dot.find("n0 [label=\"aten.linear.default"), std::string::npos) << dot;
  EXPECT_NE(dot.find("v0 -> n0"), std::string::npos) << dot;
  EXPECT_NE(dot.find("v1 -> n0"), std::string::npos) << dot;
  EXPECT_NE(dot.find("n0 -> o0"), std::string::npos) << dot;
}

}  // namespace
}  // namespace tinyml
