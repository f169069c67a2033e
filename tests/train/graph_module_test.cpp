#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tinyml/evaluate.h"
#include "tinyml/schema.h"
#include "tinyml/train.h"

namespace tinyml::train {
namespace {

Metadata in_module(const std::string& path, int line) {
  Metadata metadata;
  metadata.module_stack = {{"root", "", "Net"}, {path, path, "torch.nn.modules.linear.Linear"}};
  metadata.stack_trace = {{"net.py", line, "forward", "return x"}};
  return metadata;
}

ValueId add(Graph& graph, const char* op, std::vector<NamedArgument> args, const std::vector<int64_t>& sizes,
            const std::string& path = "layer") {
  const bool known = find_schema(op) != nullptr;
  const ValueId result = graph.add_operator(op, known ? make_args(op, std::move(args)) : std::move(args),
                                            TensorType::of(ScalarType::kFloat32, sizes));
  graph.metadata(graph.value(result).producer) = in_module(path, 7);
  return result;
}

void add_result(Graph& graph, ValueId value) {
  graph.add_output({.value = value, .kind = OutputKind::kUser, .target = ""});
}

Tensor ramp(const std::vector<int64_t>& shape) {
  Tensor tensor(ScalarType::kFloat32, shape);
  float* data = tensor.mutable_data<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) data[i] = 0.1f * static_cast<float>(i) - 0.1f;
  return tensor;
}

/// relu(x W^T + b), twice with the same weight under two names.
Graph two_layers() {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {2, 3}));
  const Tensor weight = ramp({3, 3});
  ValueId y = x;
  for (const char* path : {"a.first", "b"}) {
    const std::string prefix = path;
    const ValueId w = graph.add_binding(BindingKind::kParameter, prefix + ".weight", weight);
    const ValueId b = graph.add_binding(BindingKind::kParameter, prefix + ".bias", ramp({3}));
    for (const ValueId id : {w, b}) {
      TensorType type = graph.tensor_type(id);
      type.requires_grad = true;
      graph.set_tensor_type(id, type);
    }
    y = add(graph, "aten.linear.default", {{"input", y}, {"weight", w}, {"bias", b}}, {2, 3}, path);
    y = add(graph, "aten.relu.default", {{"self", y}}, {2, 3}, path);
  }
  add_result(graph, y);
  return graph;
}

TEST(GraphModule, RegistersTensorsUnderTheirNamesAndTiedOnesOnce) {
  const GraphModule module(two_layers());
  std::vector<std::string> names;
  for (const auto& parameter : module.named_parameters()) names.push_back(parameter.key());
  EXPECT_EQ(names, (std::vector<std::string>{"a.first.weight", "a.first.bias", "b.bias"}));
  ASSERT_EQ(module.state_dict().size(), 4);
  EXPECT_TRUE(module.state_dict()[0].second.is_same(module.state_dict()[2].second));
}

TEST(GraphModule, GivesBackAGraphWithTrainedWeights) {
  const Graph graph = two_layers();
  GraphModule module(graph);
  const Tensor input = ramp({2, 3});
  for (int step = 0; step < 3; ++step) {
    module.zero_grad();
    module.forward(to_torch(input)).sum().backward();
    const at::AutoGradMode no_grad(false);
    for (at::Tensor& parameter : module.parameters()) parameter.sub_(parameter.grad(), 0.05);
  }
  const Graph trained = module.graph();
  const at::Tensor expected = module.forward(to_torch(input)).detach();
  EXPECT_TRUE(at::allclose(to_torch(evaluate(trained, {input})[0]), expected));
  EXPECT_FALSE(at::allclose(to_torch(evaluate(graph, {input})[0]), expected));
  const auto& bindings = trained.bindings();
  EXPECT_EQ(bindings[0].data.storage().data(), bindings[2].data.storage().data()) << "tied weights stay tied";
}

TEST(GraphModule, ListsEveryOperatorThatIsMissing) {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {2, 3}));
  const ValueId y = add(graph, "custom.first.default", {{"x", x}}, {2, 3}, "features.0");
  add_result(graph, add(graph, "custom.second.default", {{"x", y}}, {2, 3}, "features.1"));
  try {
    const GraphModule module(graph);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    ASSERT_EQ(error.diagnostics().size(), 2);
    EXPECT_EQ(error.diagnostics()[0].module_path, "features.0");
    EXPECT_EQ(error.diagnostics()[1].where.line, 7);
    EXPECT_NE(error.diagnostics()[1].what.find("custom.second"), std::string::npos);
  }
}

TEST(GraphModule, NamesTheOperatorThatFails) {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {2, 3}));
  add_result(graph, add(graph, "aten.matmul.default", {{"self", x}, {"other", x}}, {2, 3}, "head"));
  GraphModule module(graph);
  try {
    module.forward(at::ones({2, 3}));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.diagnostics()[0].module_path, "head");
    EXPECT_EQ(error.diagnostics()[0].where.file, "net.py");
    EXPECT_NE(error.diagnostics()[0].what.find("aten.matmul"), std::string::npos);
  }
}

TEST(GraphModule, RefusesInputsThatDoNotFit) {
  GraphModule module(two_layers());
  EXPECT_THROW(module.forward(at::ones({3, 3})), Error);
  EXPECT_THROW(module.forward(at::ones({2, 3}, at::kLong)), Error);
  EXPECT_THROW(module.forward(at::Tensor()), Error);
  EXPECT_THROW(module.forward(std::vector<at::Tensor>{}), Error);
}

TEST(GraphModule, WritesBuffersBack) {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {2}));
  const ValueId count = graph.add_binding(BindingKind::kBuffer, "count", Tensor(ScalarType::kFloat32, {2}));
  const ValueId next = add(graph, "aten.add.Tensor", {{"self", count}, {"other", x}}, {2});
  graph.add_output({.value = next, .kind = OutputKind::kBufferMutation, .target = "count"});
  add_result(graph, add(graph, "aten.neg.default", {{"self", next}}, {2}));
  GraphModule module(graph);
  module.forward(at::ones({2}));
  const at::Tensor result = module.forward(at::ones({2}));
  EXPECT_TRUE(at::equal(result, at::full({2}, -2.0F)));
  EXPECT_TRUE(at::equal(module.named_buffers()["count"], at::full({2}, 2.0F)));
}

}  // namespace
}  // namespace tinyml::train
