#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "quantize/graphs.h"
#include "tinyml/calibration.h"
#include "tinyml/round_biases.h"
#include "tinyml/train.h"

namespace tinyml::train {
namespace {

Graph small_network() {
  testing::GraphBuilder builder;
  ValueId x = builder.input("x", {2, 3, 6, 6});
  x = builder.relu(builder.batch_norm(builder.conv(x, "stem", 4), "stem_bn"));
  builder.output(builder.average_pool(builder.conv(x, "head", 4, 1, true)));
  Graph graph = builder.graph;
  for (const Binding& binding : builder.graph.bindings()) {
    TensorType type = graph.tensor_type(binding.value);
    type.requires_grad = binding.kind == BindingKind::kParameter;
    graph.set_tensor_type(binding.value, type);
  }
  return graph;
}

Graph quantized(const std::string& observer) {
  return quantize(fuse(small_network()), parse_scheme("observer: " + observer));
}

at::Tensor example(int64_t seed) {
  at::manual_seed(static_cast<uint64_t>(seed));
  return at::randn({2, 3, 6, 6});
}

void train_one_step(GraphModule& module) {
  module.train();
  module.zero_grad();
  module.forward(example(0)).square().sum().backward();
  const at::AutoGradMode no_grad(false);
  for (at::Tensor& parameter : module.parameters()) parameter.sub_(parameter.grad(), 0.05);
}

TEST(QuantizedGraphModule, CalibratesAsTheEvaluatorDoes) {
  for (const char* observer : {"min_max", "moving_average", "mse", "percentile"}) {
    const Graph graph = quantized(observer);
    GraphModule module(graph);
    module.calibrate({{example(1)}, {example(2)}});
    const Graph ours = round_biases(module.graph());  // as the other does at its end
    const Graph theirs = tinyml::calibrate(graph, {{from_torch(example(1))}, {from_torch(example(2))}});
    for (const Binding& binding : theirs.bindings()) {
      const std::vector<double> expected = binding.data.to_doubles();
      const std::vector<double> actual = ours.find_binding(binding.fqn)->data.to_doubles();
      for (size_t i = 0; i < expected.size(); ++i) {
        // The evaluator calibrates with rounded weights.
        const double tolerance = binding.fqn.ends_with("zero_point") ? 1.0 : 0.01 * std::abs(expected[i]);
        EXPECT_NEAR(actual[i], expected[i], tolerance) << observer << " " << binding.fqn;
      }
    }
  }
}

TEST(QuantizedGraphModule, GivesBackScalesOfTheWeightsAsTheyAre) {
  GraphModule module(quantized("moving_average"));
  train_one_step(module);
  const Graph graph = module.graph();
  const Binding* weight = graph.find_binding("head.weight");
  const std::vector<float> expected = choose_weight_scales(weight->data, 0, QuantizationScheme().weight);
  const std::span<const float> actual = graph.find_binding("head.weight_fq.scale")->data.data<float>();
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(actual[i], expected[i]);
}

TEST(QuantizedGraphModule, ComputesFloatWhenNotQuantizing) {
  GraphModule plain(small_network());
  GraphModule module(quantized("moving_average"));
  module.calibrate({{example(0)}});
  const at::Tensor expected = plain.forward(example(0));
  EXPECT_FALSE(at::allclose(module.forward(example(0)), expected, 1e-4, 1e-4));
  module.set_quantizing(false);
  EXPECT_TRUE(at::allclose(module.forward(example(0)), expected, 1e-4, 1e-4));
}

TEST(QuantizedGraphModule, KeepsRangesAndStatisticsThatAreFrozen) {
  GraphModule module(quantized("moving_average"));
  module.calibrate({{example(0)}});
  module.set_observing(false);
  module.freeze_batch_norm();
  std::map<std::string, at::Tensor> before;
  for (const auto& buffer : module.named_buffers()) before[buffer.key()] = buffer.value().clone();
  train_one_step(module);
  for (const auto& buffer : module.named_buffers()) {
    EXPECT_TRUE(at::equal(buffer.value(), before.at(buffer.key()))) << buffer.key();
  }
}

TEST(QuantizedGraphModule, RefusesToTrainAFoldThatIsNone) {
  Graph graph = small_network();
  graph.metadata(graph.first_node()).module_stack.back().type = "tinyml.nn.qat_conv.ConvBn2d";
  GraphModule module(graph);
  module.forward(example(0));
  EXPECT_THROW(module.train(), Error);
  module.freeze_batch_norm();
  EXPECT_NO_THROW(module.train());
}

TEST(QuantizedGraphModule, RefusesCalibrationOfNothing) {
  GraphModule module(quantized("min_max"));
  EXPECT_THROW(module.calibrate({}), Error);
  EXPECT_THROW(module.calibrate({{at::full({2, 3, 6, 6}, NAN)}}), Error);
  EXPECT_THROW(GraphModule(small_network()).calibrate({{example(0)}}), Error);
}

}  // namespace
}  // namespace tinyml::train
