#include "tinyml/evaluate.h"

#include <gtest/gtest.h>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

TensorType floats(std::vector<int64_t> sizes) { return TensorType::of(ScalarType::kFloat32, sizes); }

/// relu(x * w) + 1
struct Model {
  Graph graph;
  ValueId x, w, product, relu, sum;
  Model() {
    x = graph.add_input("x", floats({2}));
    w = graph.add_binding(BindingKind::kParameter, "w", Tensor::from<float>({3, -3}, {2}));
    product =
        graph.add_operator("aten.mul.Tensor", make_args("aten.mul.Tensor", {{"self", x}, {"other", w}}), floats({2}));
    relu = graph.add_operator("aten.relu.default", {{"self", product}}, floats({2}));
    sum = graph.add_operator("aten.add.Tensor", make_args("aten.add.Tensor", {{"self", relu}, {"other", 1}}),
                             floats({2}));
    graph.add_output({sum, OutputKind::kUser, ""});
  }
};

const Tensor kInput = Tensor::from<float>({1, 2}, {2});

TEST(Evaluate, RunsNodesInOrder) {
  EXPECT_EQ(evaluate(Model().graph, {kInput})[0].to_doubles(), (std::vector<double>{4, 1}));
}

TEST(Evaluate, ReplacesBindingsWithoutChangingTheGraph) {
  const Model model;
  EvaluateOptions options;
  options.replacements[model.w] = Tensor::from<float>({-1, 1}, {2});
  EXPECT_EQ(evaluate(model.graph, {kInput}, options)[0].to_doubles(), (std::vector<double>{1, 3}));
  EXPECT_EQ(evaluate(model.graph, {kInput})[0].to_doubles(), (std::vector<double>{4, 1}));
}

TEST(Evaluate, ShowsIntermediateValuesInOrder) {
  const Model model;
  std::vector<ValueId> seen;
  EvaluateOptions options;
  options.on_value = [&](ValueId id, const Tensor& tensor) {
    seen.push_back(id);
    if (id == model.product) {
      EXPECT_EQ(tensor.to_doubles(), (std::vector<double>{3, -6}));
    }
  };
  evaluate(model.graph, {kInput}, options);
  EXPECT_EQ(seen, (std::vector<ValueId>{model.x, model.product, model.relu, model.sum}));
}

TEST(Evaluate, ComputesInFloat64OnRequest) {
  EvaluateOptions options;
  options.float64 = true;
  Model model;
  const double third = 1.0 / 3.0;
  const Tensor y = evaluate(model.graph, {Tensor::from<double>({third, 0}, {2})}, options)[0];
  EXPECT_EQ(y.type(), ScalarType::kFloat64);
  EXPECT_EQ(y.to_doubles()[0], third * 3 + 1);
}

TEST(Evaluate, NamesAllUnknownOperatorsAtOnceBeforeRunning) {
  Model model;
  Node node;
  node.op = "mine.frobnicate.default";
  node.args = {{"self", model.sum}};
  node.outputs = {model.graph.add_value("y", floats({2}))};
  node.metadata.module_stack = {{"k", "block.head", "Head"}};
  node.metadata.stack_trace = {{"model.py", 12, "forward", "y = frobnicate(x)"}};
  const ValueId first = node.outputs[0];
  model.graph.add_node(node);
  const ValueId second = model.graph.add_operator("mine.twiddle.default", {{"self", first}}, floats({2}));
  bool ran = false;
  EvaluateOptions options;
  options.on_value = [&](ValueId, const Tensor&) { ran = true; };
  EXPECT_NO_THROW(evaluate(model.graph, {kInput}));  // nothing reads them
  model.graph.add_output({second, OutputKind::kUser, ""});
  try {
    evaluate(model.graph, {kInput}, options);
    FAIL();
  } catch (const Error& error) {
    ASSERT_EQ(error.diagnostics().size(), 2u);
    const std::string text = error.what();
    for (const char* part : {"mine.frobnicate.default", "mine.twiddle.default", "block.head", "model.py:12"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part;
    }
  }
  EXPECT_FALSE(ran);
}

TEST(Evaluate, RefusesInputsThatDoNotFit) {
  const Model model;
  EXPECT_THROW(evaluate(model.graph, {}), Error);
  EXPECT_THROW(evaluate(model.graph, {Tensor::from<float>({1, 2, 3}, {3})}), Error);
  EXPECT_THROW(evaluate(model.graph, {Tensor::from<int64_t>({1, 2}, {2})}), Error);
}

TEST(Evaluate, RunsOneNodeAlone) {
  const Model model;
  const NodeId node = model.graph.value(model.product).producer;
  EXPECT_EQ(evaluate_node(model.graph, node, {kInput, kInput})[0].to_doubles(), (std::vector<double>{1, 4}));
  EXPECT_THROW(evaluate_node(model.graph, node, {kInput}), Error);
}

}  // namespace
}  // namespace tinyml
