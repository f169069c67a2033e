#include "tinyml/graph.h"

#include <gtest/gtest.h>

namespace tinyml {
namespace {

TensorType float_type(std::vector<int64_t> sizes) { return TensorType::of(ScalarType::kFloat32, sizes); }

Graph chain(int length) {
  Graph graph;
  ValueId value = graph.add_input("x", float_type({1, 4}));
  for (int i = 0; i < length; ++i)
    value = graph.add_operator("aten.relu.default", {{"self", value}}, float_type({1, 4}));
  graph.add_output({value, OutputKind::kUser, ""});
  return graph;
}

TEST(Graph, NamesAreUnique) {
  const Graph graph = chain(3);
  EXPECT_EQ(graph.value(ValueId{1}).name, "relu");
  EXPECT_EQ(graph.value(ValueId{2}).name, "relu_1");
  EXPECT_EQ(graph.value(ValueId{3}).name, "relu_2");
}

TEST(Graph, ReplaceAllUsesReachesNodesListsAndOutputs) {
  Graph graph = chain(2);
  const ValueId x{0};
  const ValueId last{2};
  const ValueId cat =
      graph.add_operator("aten.cat.default", {{"tensors", Argument::List{last, last}}, {"dim", 1}}, float_type({1, 8}));
  graph.replace_all_uses(last, x);
  EXPECT_EQ(graph.node(graph.value(cat).producer).arg("tensors").as_values(), (std::vector<ValueId>{x, x}));
  EXPECT_EQ(graph.outputs()[0].value.as_value(), x);
  EXPECT_TRUE(graph.is_unused(last));
  EXPECT_EQ(graph.value(x).users.size(), 3u);
}

TEST(Graph, EraseDeadNodesKeepsWhatOutputsNeed) {
  Graph graph = chain(3);
  graph.set_outputs({{ValueId{2}, OutputKind::kUser, ""}});
  graph.erase_dead_nodes();
  EXPECT_EQ(graph.node_count(), 2u);
}

TEST(Graph, InsertsBeforeAGivenNode) {
  Graph graph = chain(2);
  const NodeId second = graph.nodes()[1];
  const ValueId value = graph.add_operator("aten.tanh.default", {{"self", ValueId{1}}}, float_type({1, 4}), second);
  graph.set_arg(second, 0, value);
  EXPECT_EQ(graph.nodes()[1], graph.value(value).producer);
  EXPECT_EQ(graph.nodes()[2], second);
}

TEST(Graph, RenamingABindingKeepsItsOrderAndTheOutputsThatWriteIt) {
  Graph graph;
  const ValueId mean = graph.add_binding(BindingKind::kBuffer, "bn.mean", Tensor::from<float>({1}, {1}));
  const ValueId other = graph.add_binding(BindingKind::kBuffer, "bn.var", Tensor::from<float>({2}, {1}));
  graph.add_output({other, OutputKind::kBufferMutation, "bn.mean"});
  graph.rename_binding(mean, "conv.bn.mean");
  EXPECT_EQ(graph.find_binding("bn.mean"), nullptr);
  EXPECT_EQ(graph.find_binding("conv.bn.mean")->value, mean);
  EXPECT_EQ(graph.bindings()[0].fqn, "conv.bn.mean");
  EXPECT_EQ(graph.outputs()[0].target, "conv.bn.mean");
  EXPECT_THROW(graph.rename_binding(mean, "bn.var"), Error);
}

TEST(Graph, CopiesShareWeightsUntilOneIsWritten) {
  Graph graph;
  const ValueId weight =
      graph.add_binding(BindingKind::kParameter, "fc.weight", Tensor::from<float>({1, 2, 3, 4}, {2, 2}));
  Graph copy = graph;
  EXPECT_EQ(copy.binding_of(weight)->data.bytes(), graph.binding_of(weight)->data.bytes());
  Tensor changed = copy.binding_of(weight)->data;
  changed.mutable_data<float>()[0] = 9;
  copy.set_binding_data(weight, changed);
  EXPECT_EQ(graph.find_binding("fc.weight")->data.data<float>()[0], 1);
  EXPECT_EQ(copy.find_binding("fc.weight")->data.data<float>()[0], 9);
}

TEST(Graph, UserFrameIsTheLastOutsideTorch) {
  Node node;
  node.metadata.stack_trace = {{"/home/u/model.py", 7, "forward", "y = self.conv(x)"},
                               {"/v/site-packages/torch/nn/modules/conv.py", 565, "forward", ""}};
  EXPECT_EQ(node.source().line, 7);
}

}  // namespace
}  // namespace tinyml
