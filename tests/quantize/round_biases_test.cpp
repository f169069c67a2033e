#include "tinyml/round_biases.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/graphs.h"
#include "tinyml/calibration.h"
#include "tinyml/quantize.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

std::vector<std::vector<Tensor>> samples(std::vector<int64_t> sizes) {
  Tensor x(ScalarType::kFloat32, std::move(sizes));
  for (int64_t i = 0; i < x.numel(); ++i) x.mutable_data<float>()[i] = std::sin(0.7F * static_cast<float>(i));
  return {{x}};
}

void set(Graph& graph, const std::string& name, float start) {
  const Binding* binding = graph.find_binding(name);
  ASSERT_NE(binding, nullptr) << name;
  Tensor data(ScalarType::kFloat32, binding->data.shape());
  for (int64_t i = 0; i < data.numel(); ++i) data.mutable_data<float>()[i] = start + 0.137F * static_cast<float>(i);
  graph.set_binding_data(binding->value, data);
}

double value(const Graph& graph, const std::string& name, size_t index) {
  const Binding* binding = graph.find_binding(name);
  return binding == nullptr ? NAN : binding->data.to_doubles().at(index);
}

// Input scale times weight scale, as the file has it.
double step_of(const Graph& graph, const std::string& layer, size_t channel) {
  const double weight = value(graph, layer + ".weight_fq.scale", channel);
  return static_cast<double>(static_cast<float>(value(graph, "fq_x.scale", 0)) * static_cast<float>(weight));
}

TEST(RoundBiases, LandOnTheIntegersThatTheDeviceAdds) {
  GraphBuilder b;
  b.output(b.conv(b.input("x", {1, 3, 8, 8}), "conv", 4, 3, true));
  set(b.graph, "conv.bias", -0.2F);
  const Graph rounded = calibrate(quantize(b.graph), samples({1, 3, 8, 8}));
  for (size_t c = 0; c < 4; ++c) {
    const double step = step_of(rounded, "conv", c);
    const double steps = value(rounded, "conv.bias", c) / step;
    EXPECT_NEAR(steps, std::nearbyint(steps), 1e-3);
    EXPECT_LE(std::abs(value(rounded, "conv.bias", c) - value(b.graph, "conv.bias", c)), 0.501 * step);
    EXPECT_GT(std::abs(steps), 1);
  }
}

TEST(RoundBiases, MoveTheBatchNormsBiasWhereItIsFolded) {
  GraphBuilder b;
  b.output(b.batch_norm(b.conv(b.input("x", {1, 3, 8, 8}), "conv", 4), "bn"));
  set(b.graph, "bn.bias", 0.3F);
  set(b.graph, "bn.running_mean", -0.1F);
  const Graph rounded = calibrate(quantize(fuse(b.graph)), samples({1, 3, 8, 8}));
  for (size_t c = 0; c < 4; ++c) {
    const double variance = value(rounded, "conv.bn.running_var", c) + 1e-5;
    const double factor = value(rounded, "conv.bn.weight", c) / std::sqrt(variance);
    const double bias = value(rounded, "conv.bn.bias", c) - value(rounded, "conv.bn.running_mean", c) * factor;
    const double steps = bias / step_of(rounded, "conv", c);
    EXPECT_NEAR(steps, std::nearbyint(steps), 1e-2);
    EXPECT_EQ(value(rounded, "conv.bn.running_mean", c), value(b.graph, "bn.running_mean", c));
  }
}

TEST(RoundBiases, LeaveFloatModelsAlone) {
  GraphBuilder b;
  b.output(b.conv(b.input("x", {1, 3, 8, 8}), "conv", 4, 3, true));
  set(b.graph, "conv.bias", 0.123F);
  const Graph same = round_biases(b.graph);
  for (size_t c = 0; c < 4; ++c) EXPECT_EQ(value(same, "conv.bias", c), value(b.graph, "conv.bias", c));
}

}  // namespace
}  // namespace tinyml
