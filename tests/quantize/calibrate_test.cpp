#include <gtest/gtest.h>

#include <cmath>

#include "quantize/graphs.h"
#include "tinyml/calibration.h"
#include "tinyml/evaluate.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

Graph two_convolutions() {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId y = b.relu(b.conv(x, "conv1", 4, 3, true));
  b.output(b.add(b.average_pool(y), b.average_pool(b.conv(y, "conv2", 4))));
  return b.graph;
}

std::vector<std::vector<Tensor>> ramps(float low, float high) {
  std::vector<std::vector<Tensor>> samples;
  for (int sample = 0; sample < 3; ++sample) {
    Tensor x(ScalarType::kFloat32, {1, 3, 8, 8});
    for (int i = 0; i < 192; ++i) {
      x.mutable_data<float>()[i] = low + (high - low) * static_cast<float>((i * 7 + sample) % 192) / 191.0f;
    }
    samples.push_back({x});
  }
  return samples;
}

Graph quantized(const char* observer) {
  return quantize(fuse(two_convolutions()), parse_scheme(std::string("observer: ") + observer));
}

float scale_of_input(const Graph& graph) {
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op != "aten.fake_quantize_per_tensor_affine.tensor_qparams") continue;
    if (node.arg("self").as_value() != graph.inputs()[0].value) continue;
    return graph.binding_of(node.arg("scale").as_value())->data.data<float>()[0];
  }
  ADD_FAILURE() << "the input has no FakeQuant";
  return 0;
}

TEST(Calibrate, MinMaxCoversWhatPassed) {
  const Graph graph = calibrate(quantized("min_max"), ramps(-1.0f, 3.0f));
  EXPECT_NEAR(scale_of_input(graph), 4.0f / 255.0f, 1e-5f);
}

TEST(Calibrate, CallsOfOneModuleObserveTogether) {
  GraphBuilder b;
  ValueId x = b.input("x", {1, 3, 8, 8});
  const ValueId weight = b.parameter("block.conv.weight", {3, 3, 1, 1}, 0.5);
  for (int call = 0; call < 2; ++call) {
    x = b.call("aten.conv2d.default", {{"input", x}, {"weight", weight}}, {1, 3, 8, 8}, "block.conv",
               "torch.nn.modules.conv.Conv2d");
    auto& stack = b.graph.metadata(b.graph.value(x).producer).module_stack;
    stack.insert(stack.begin() + 1, {"L__self___block@" + std::to_string(call), "block", "user.Block"});
  }
  b.output(x);
  float largest = 0;
  EvaluateOptions options;
  options.on_value = [&](ValueId id, const Tensor& value) {
    if (b.graph.value(id).producer == kNoNode) return;
    for (const float y : value.data<float>()) largest = std::max(largest, std::abs(y));
  };
  const std::vector<Tensor> sample = ramps(0.0f, 3.0f)[0];
  evaluate(b.graph, sample, options);
  const Graph graph = calibrate(quantize(b.graph, parse_scheme("observer: min_max")), {sample});
  std::vector<float> scales;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op != "aten.fake_quantize_per_tensor_affine.tensor_qparams") continue;
    scales.push_back(graph.binding_of(node.arg("scale").as_value())->data.data<float>()[0]);
  }
  ASSERT_EQ(scales.size(), 3u);
  EXPECT_EQ(scales[1], scales[2]);
  EXPECT_NEAR(std::max(scales[1], scales[2]), largest / 255.0f, 1e-4f * largest);
}

TEST(Calibrate, MovingAverageStartsAtTheFirstRun) {
  std::vector<std::vector<Tensor>> samples = ramps(-1.0f, 1.0f);
  samples.push_back(ramps(-2.0f, 2.0f)[0]);
  const Graph graph = calibrate(quantized("moving_average"), samples);
  EXPECT_NEAR(scale_of_input(graph), 2.0f * 1.01f / 255.0f, 1e-5f);
}

TEST(Calibrate, EveryObserverGivesAGoodModel) {
  for (const char* observer : {"min_max", "moving_average", "mse", "percentile", "kl"}) {
    const auto samples = ramps(-1.0f, 1.0f);
    size_t calls = 0;
    const Graph graph = calibrate(quantized(observer), samples, [&](size_t index) { EXPECT_EQ(index, calls++); });
    EXPECT_EQ(calls, samples.size());
    const std::vector<double> expected = evaluate(two_convolutions(), samples[0])[0].to_doubles();
    const std::vector<double> actual = evaluate(graph, samples[0])[0].to_doubles();
    double signal = 0, noise = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      signal += expected[i] * expected[i];
      noise += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    }
    EXPECT_GT(10 * std::log10(signal / noise), 25.0) << observer;
    EXPECT_GT(noise, 0.0) << "nothing was rounded";
  }
}

TEST(Calibrate, LeavesTheGivenGraphAlone) {
  const Graph graph = quantized("min_max");
  calibrate(graph, ramps(-1.0f, 1.0f));
  EXPECT_EQ(scale_of_input(graph), 1.0f);
}

TEST(Calibrate, RefusesNothingToDoAndNothingToSee) {
  EXPECT_THROW(calibrate(quantized("min_max"), {}), Error);
  EXPECT_THROW(calibrate(two_convolutions(), ramps(-1.0f, 1.0f)), Error);
  EXPECT_THROW(calibrate(quantized("min_max"), ramps(NAN, NAN)), Error);
  EXPECT_FALSE(is_quantized(two_convolutions()));
  EXPECT_TRUE(is_quantized(quantized("min_max")));
}

}  // namespace
}  // namespace tinyml
