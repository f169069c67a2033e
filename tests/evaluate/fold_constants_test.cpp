#include "tinyml/fold_constants.h"

#include <gtest/gtest.h>

#include "tinyml/evaluate.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

TensorType floats(std::vector<int64_t> sizes) { return TensorType::of(ScalarType::kFloat32, sizes); }

ValueId add(Graph& graph, const std::string& op, std::vector<NamedArgument> args, std::vector<int64_t> sizes) {
  return graph.add_operator(op, make_args(op, std::move(args)), floats(std::move(sizes)));
}

std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> ops;
  for (NodeId id : graph.nodes()) ops.push_back(graph.node(id).op);
  return ops;
}

const Tensor kPair = Tensor::from<float>({1, -2}, {2});

TEST(FoldConstants, FoldsChainsOfConstantsIntoOneBinding) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({2}));
  const ValueId buffer = graph.add_binding(BindingKind::kBuffer, "table", kPair);
  const ValueId absolute = add(graph, "aten.abs.default", {{"self", buffer}}, {2});
  const ValueId doubled = add(graph, "aten.mul.Tensor", {{"self", absolute}, {"other", 2}}, {2});
  const ValueId sum = add(graph, "aten.add.Tensor", {{"self", x}, {"other", doubled}}, {2});
  graph.add_output({sum, OutputKind::kUser, ""});
  const Graph folded = fold_constants(graph);
  verify(folded);
  EXPECT_EQ(ops_of(folded), std::vector<std::string>{"aten.add.Tensor"});
  ASSERT_EQ(folded.bindings().size(), 2u);
  EXPECT_EQ(folded.bindings()[1].kind, BindingKind::kConstant);
  EXPECT_EQ(folded.bindings()[1].data.to_doubles(), (std::vector<double>{2, 4}));
  EXPECT_EQ(evaluate(folded, {kPair})[0].to_doubles(), evaluate(graph, {kPair})[0].to_doubles());
}

TEST(FoldConstants, KeepsParametersUnlessAsked) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({2}));
  const ValueId weight = graph.add_binding(BindingKind::kParameter, "w", kPair);
  const ValueId scale = add(graph, "aten.exp.default", {{"self", weight}}, {2});
  graph.add_output({add(graph, "aten.mul.Tensor", {{"self", x}, {"other", scale}}, {2}), OutputKind::kUser, ""});
  EXPECT_EQ(fold_constants(graph).node_count(), 2u);
  EXPECT_EQ(fold_constants(graph, {.fold_parameters = true}).node_count(), 1u);
}

TEST(FoldConstants, KeepsFakeQuantizationButFoldsWhatPrecedesIt) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({1, 2}));
  const ValueId weight = graph.add_binding(BindingKind::kParameter, "w", Tensor::from<float>({1, 2}, {1, 2}));
  const ValueId fused = add(graph, "aten.mul.Tensor", {{"self", weight}, {"other", 2}}, {1, 2});
  const ValueId quantized =
      add(graph, "aten.fake_quantize_per_tensor_affine.default",
          {{"self", fused}, {"scale", 0.5}, {"zero_point", 0}, {"quant_min", -127}, {"quant_max", 127}}, {1, 2});
  graph.add_output(
      {add(graph, "aten.linear.default", {{"input", x}, {"weight", quantized}}, {1, 1}), OutputKind::kUser, ""});
  EXPECT_EQ(ops_of(fold_constants(graph, {.fold_parameters = true})),
            (std::vector<std::string>{"aten.fake_quantize_per_tensor_affine.default", "aten.linear.default"}));
}

TEST(FoldConstants, KeepsDropoutBuffersThatChangeAndReturnedValues) {
  Graph graph;
  const ValueId counter = graph.add_binding(BindingKind::kBuffer, "counter", kPair);
  const ValueId table = graph.add_binding(BindingKind::kBuffer, "table", kPair);
  const ValueId next = add(graph, "aten.add.Tensor", {{"self", counter}, {"other", 1}}, {2});
  const ValueId dropped = add(graph, "aten.dropout.default", {{"input", table}, {"p", 0.5}, {"train", true}}, {2});
  const ValueId both = add(graph, "aten.mul.Tensor", {{"self", next}, {"other", dropped}}, {2});
  const ValueId absolute = add(graph, "aten.abs.default", {{"self", table}}, {2});
  graph.add_output({next, OutputKind::kBufferMutation, "counter"});
  graph.add_output({both, OutputKind::kUser, ""});
  graph.add_output({absolute, OutputKind::kUser, ""});
  EXPECT_EQ(fold_constants(graph).node_count(), 4u);
}

TEST(FoldConstants, ReplacesStaticSizesByNumbers) {
  Graph graph;
  TensorType type = floats({2, 6});
  type.shape[0] = Dim(SymExpr::parse("Symbol('s0', positive=True, integer=True)"), 2);
  const ValueId x = graph.add_input("x", type);
  const auto size_of_dim = [&](int64_t dim) {
    Value value;
    value.name = "size";
    value.kind = ValueKind::kSymInt;
    const ValueId id = graph.add_value(value);
    Node node;
    node.op = "aten.sym_size.int";
    node.args = {{"self", x}, {"dim", dim}};
    node.outputs = {id};
    graph.add_node(node);
    return id;
  };
  const ValueId batch = size_of_dim(0);
  const ValueId width = size_of_dim(-1);
  graph.add_output({add(graph, "aten.view.default", {{"self", x}, {"size", Argument::List{width, batch}}}, {6, 2}),
                    OutputKind::kUser, ""});
  const Graph folded = fold_constants(graph);
  EXPECT_EQ(ops_of(folded), (std::vector<std::string>{"aten.sym_size.int", "aten.view.default"}));
  const Node& view = folded.node(folded.nodes()[1]);
  EXPECT_EQ(view.arg("size").as_list()[0].as_int(), 6);
  EXPECT_EQ(view.arg("size").as_list()[1].as_value(), batch);
  EXPECT_EQ(evaluate(folded, {Tensor(ScalarType::kFloat32, {5, 6})})[0].shape(), (std::vector<int64_t>{6, 5}));
}

}  // namespace
}  // namespace tinyml
