#include "tinyml/functionalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

/// A graph with the input x of that shape, to which tests append operators.
struct Builder {
  Graph graph;
  ValueId x;

  explicit Builder(const std::vector<int64_t>& shape)
      : x(graph.add_input("x", TensorType::of(ScalarType::kFloat32, shape))) {}

  ValueId add(const std::string& op, std::vector<NamedArgument> args, const std::vector<int64_t>& shape) {
    return graph.add_operator(op, make_args(op, std::move(args)), TensorType::of(ScalarType::kFloat32, shape));
  }
  void output(ValueId value) { graph.add_output({Argument(value), {}, {}}); }
};

std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> names;
  for (NodeId id : graph.nodes()) names.push_back(graph.node(id).op);
  return names;
}

using Names = std::vector<std::string>;

TEST(Functionalize, InPlaceOperatorsBecomeTheirPartners) {
  Builder b({2, 3});
  const ValueId y = b.add("aten.mul.Tensor", {{"self", b.x}, {"other", 2}}, {2, 3});
  b.add("aten.relu_.default", {{"self", y}}, {2, 3});
  b.output(y);
  const Graph graph = functionalize(b.graph);
  verify(graph);
  EXPECT_EQ(operators(graph), (Names{"aten.mul.Tensor", "aten.relu.default"}));
  EXPECT_EQ(graph.outputs()[0].value.as_value(), graph.node(graph.nodes()[1]).output());
}

TEST(Functionalize, PartnersMayNameTheirFirstArgumentDifferently) {
  Builder b({2, 3});
  const ValueId y = b.add("aten.mul.Tensor", {{"self", b.x}, {"other", 2}}, {2, 3});
  b.output(b.add("aten.dropout_.default", {{"self", y}, {"p", 0.5}, {"train", false}}, {2, 3}));
  const Graph graph = functionalize(b.graph);
  verify(graph);
  const Node& dropout = graph.node(graph.nodes()[1]);
  EXPECT_EQ(dropout.op, "aten.dropout.default");
  EXPECT_EQ(dropout.arg("input").as_value(), y);
}

TEST(Functionalize, WritesThroughViewsReachEveryAlias) {
  Builder b({2, 3});
  const ValueId y = b.add("aten.mul.Tensor", {{"self", b.x}, {"other", 2}}, {2, 3});
  const ValueId flat = b.add("aten.view.default", {{"self", y}, {"size", Argument::ints({6})}}, {6});
  const ValueId row = b.add("aten.select.int", {{"self", y}, {"dim", 0}, {"index", 1}}, {3});
  b.add("aten.zero_.default", {{"self", row}}, {3});
  b.output(flat);
  const Graph graph = functionalize(b.graph);
  verify(graph);
  EXPECT_EQ(operators(graph), (Names{"aten.mul.Tensor", "aten.select.int", "aten.zero.default",
                                     "aten.select_scatter.default", "aten.view.default"}));
}

TEST(Functionalize, CopiesOfViewsAreNotAliases) {
  Builder b({2, 3});
  const ValueId y = b.add("aten.mul.Tensor", {{"self", b.x}, {"other", 2}}, {2, 3});
  const ValueId copy = b.add("aten.clone.default", {{"self", y}}, {2, 3});
  b.add("aten.relu_.default", {{"self", y}}, {2, 3});
  b.output(copy);
  EXPECT_EQ(operators(functionalize(b.graph)), (Names{"aten.mul.Tensor", "aten.clone.default"}));
}

TEST(Functionalize, ReshapeOfATransposeIsACopy) {
  Builder b({2, 3});
  const ValueId y = b.add("aten.mul.Tensor", {{"self", b.x}, {"other", 2}}, {2, 3});
  TensorType transposed = TensorType::of(ScalarType::kFloat32, {3, 2});
  transposed.strides = {1, 3};
  const ValueId t = b.graph.add_operator("aten.t.default", make_args("aten.t.default", {{"self", y}}), transposed);
  const ValueId flat = b.add("aten.reshape.default", {{"self", t}, {"shape", Argument::ints({6})}}, {6});
  b.add("aten.relu_.default", {{"self", flat}}, {6});
  b.output(y);
  EXPECT_EQ(operators(functionalize(b.graph)), Names{"aten.mul.Tensor"});
}

TEST(Functionalize, WrittenBuffersAndInputsBecomeOutputs) {
  Builder b({3});
  const ValueId buffer = b.graph.add_binding(BindingKind::kBuffer, "mean", Tensor(ScalarType::kFloat32, {3}));
  b.add("aten.add_.Tensor", {{"self", buffer}, {"other", b.x}}, {3});
  b.add("aten.relu_.default", {{"self", b.x}}, {3});
  b.output(b.x);
  const Graph graph = functionalize(b.graph);
  verify(graph);
  ASSERT_EQ(graph.outputs().size(), 3u);
  const auto target = [&](OutputKind kind) {
    for (const Output& output : graph.outputs()) {
      if (output.kind == kind) return output.target;
    }
    return std::string("none");
  };
  EXPECT_EQ(target(OutputKind::kBufferMutation), "mean");
  EXPECT_EQ(target(OutputKind::kInputMutation), "x");
}

TEST(Functionalize, KeepsTheTypeOfWhatIsWritten) {
  Builder b({3});
  const ValueId half = b.graph.add_operator(
      "aten.to.dtype", make_args("aten.to.dtype", {{"self", b.x}, {"dtype", ScalarType::kFloat16}}),
      TensorType::of(ScalarType::kFloat16, {3}));
  b.graph.add_operator("aten.add_.Tensor", make_args("aten.add_.Tensor", {{"self", half}, {"other", b.x}}),
                       TensorType::of(ScalarType::kFloat16, {3}));
  b.output(half);
  const Graph graph = functionalize(b.graph);
  EXPECT_EQ(operators(graph), (Names{"aten.to.dtype", "aten.add.Tensor", "aten.to.dtype"}));
  EXPECT_EQ(graph.tensor_type(graph.outputs()[0].value.as_value()).type, ScalarType::kFloat16);
}

TEST(Functionalize, RefusesWhatItCannotResolve) {
  Builder broadcast({3});
  const ValueId y = broadcast.add("aten.mul.Tensor", {{"self", broadcast.x}, {"other", 2}}, {3});
  const ValueId wide = broadcast.add("aten.expand.default", {{"self", y}, {"size", Argument::ints({2, 3})}}, {2, 3});
  broadcast.add("aten.relu_.default", {{"self", wide}}, {2, 3});
  broadcast.output(y);
  EXPECT_THROW(functionalize(broadcast.graph), Error);

  Builder shape({1, 3});
  const ValueId state = shape.graph.add_binding(BindingKind::kBuffer, "state", Tensor(ScalarType::kFloat32, {1, 3}));
  shape.output(shape.add("aten.squeeze_.default", {{"self", state}}, {3}));
  EXPECT_THROW(functionalize(shape.graph), Error);

  Builder strides({1, 3});
  const ValueId z = strides.add("aten.mul.Tensor", {{"self", strides.x}, {"other", 2}}, {1, 3});
  strides.output(strides.add("aten.as_strided_.default",
                             {{"self", z}, {"size", Argument::ints({3})}, {"stride", Argument::ints({1})}}, {3}));
  EXPECT_THROW(functionalize(strides.graph), Error);
}

TEST(Functionalize, AfterAnInPlaceViewReadersOfTheTensorReadTheView) {
  Builder b({2, 3});
  const ValueId y = b.add("aten.mul.Tensor", {{"self", b.x}, {"other", 2}}, {2, 3});
  const ValueId row = b.add("aten.select.int", {{"self", y}, {"dim", 0}, {"index", 1}}, {3});
  b.add("aten.t_.default", {{"self", y}}, {3, 2});
  b.add("aten.zero_.default", {{"self", row}}, {3});
  b.output(b.add("aten.relu.default", {{"self", y}}, {3, 2}));  // y as it is seen now
  const Graph graph = functionalize(b.graph);
  verify(graph);
  EXPECT_EQ(operators(graph), (Names{"aten.mul.Tensor", "aten.select.int", "aten.zero.default",
                                     "aten.select_scatter.default", "aten.t.default", "aten.relu.default"}));
}

TEST(InlineRegions, NestedRegionsVanish) {
  const TensorType type = TensorType::of(ScalarType::kFloat32, {3});
  const auto region = [&](Graph& graph, ValueId input, std::shared_ptr<const Graph> body) {
    return graph.add_operator("higher_order.wrap_with_set_grad_enabled",
                              {{"", false}, {"", Argument(std::move(body))}, {"", Argument(input)}}, type);
  };
  Graph inner;
  inner.add_output(
      {Argument(inner.add_operator("aten.relu.default",
                                   make_args("aten.relu.default", {{"self", inner.add_input("a", type)}}), type)),
       {},
       {}});
  Graph outer;
  outer.add_output({Argument(region(outer, outer.add_input("b", type), std::make_shared<Graph>(inner))), {}, {}});
  Builder b({3});
  b.output(region(b.graph, b.x, std::make_shared<Graph>(outer)));
  const Graph graph = inline_regions(b.graph);
  verify(graph);
  EXPECT_EQ(operators(graph), Names{"aten.relu.default"});
}

TEST(DropIdentities, AssertionsAndConversionsToTheSameTypeVanish) {
  Builder b({3});
  b.graph.add_node({"aten._assert_tensor_metadata.default",
                    make_args("aten._assert_tensor_metadata.default", {{"a", b.x}}),
                    {},
                    false,
                    {}});
  const ValueId same = b.add("aten.to.dtype", {{"self", b.x}, {"dtype", ScalarType::kFloat32}}, {3});
  const ValueId slice = b.add("aten.slice.Tensor", {{"self", same}}, {3});
  b.output(b.add("aten.relu.default", {{"self", slice}}, {3}));
  const Graph graph = drop_identities(b.graph);
  verify(graph);
  EXPECT_EQ(operators(graph), Names{"aten.relu.default"});
}

TEST(DropIdentities, NeutralNumbersVanish) {
  Builder b({3});
  ValueId y = b.x;
  y = b.add("aten.add.Tensor", {{"self", y}, {"other", 0}}, {3});
  y = b.add("aten.mul.Tensor", {{"self", y}, {"other", 1.0}}, {3});
  y = b.add("aten.sub.Tensor", {{"self", y}, {"other", 0.0}}, {3});
  y = b.add("aten.div.Tensor", {{"self", y}, {"other", 1}}, {3});
  y = b.add("aten.add.Tensor", {{"self", y}, {"other", 1}}, {3});
  b.output(b.add("aten.mul.Tensor", {{"self", y}, {"other", 0}}, {3}));
  const Graph graph = drop_identities(b.graph);
  verify(graph);
  EXPECT_EQ(operators(graph), (Names{"aten.add.Tensor", "aten.mul.Tensor"}));
}

}  // namespace
}  // namespace tinyml
