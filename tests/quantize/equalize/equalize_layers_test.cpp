#include <gtest/gtest.h>

#include <random>

#include "../graphs.h"
#include "tinyml/calibration.h"
#include "tinyml/equalize.h"
#include "tinyml/evaluate.h"
#include "tinyml/quantize.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// conv, relu and a second layer, the channels between them of sizes from 1 to 1000.
struct Case {
  Graph graph;
  std::vector<std::vector<Tensor>> samples;
};

Case uneven_case(const std::string& between) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  GraphBuilder b;
  const ValueId hidden = b.conv(b.input("x", {1, 3, 8, 8}), "conv1", 6, 3, true);
  b.output(b.conv(b.unary(between, hidden), "conv2", 4));
  Case result;
  for (const Binding& binding : std::vector<Binding>(b.graph.bindings())) {
    Tensor data = binding.data;
    float* values = data.mutable_data<float>();
    const int64_t channel = data.numel() / data.size(0);
    for (int64_t i = 0; i < data.numel(); ++i) {
      values[i] = normal(random);
      if (binding.fqn.starts_with("conv1")) values[i] *= std::pow(10.0f, 0.6f * static_cast<float>(i / channel));
      if (binding.fqn.starts_with("conv2")) values[i] /= std::pow(10.0f, 0.6f * static_cast<float>(i / 9 % 6));
    }
    b.graph.set_binding_data(binding.value, data);
  }
  for (int n = 0; n < 4; ++n) {
    Tensor x(ScalarType::kFloat32, {1, 3, 8, 8});
    float* values = x.mutable_data<float>();
    for (int64_t i = 0; i < x.numel(); ++i) values[i] = normal(random);
    result.samples.push_back({x});
  }
  result.graph = b.graph;
  return result;
}

double relative_noise(const Case& c, const Graph& graph) {
  double noise = 0, signal = 0;
  for (const auto& sample : c.samples) {
    const std::vector<double> expected = evaluate(c.graph, sample)[0].to_doubles();
    const std::vector<double> actual = evaluate(graph, sample)[0].to_doubles();
    for (size_t i = 0; i < expected.size(); ++i) {
      noise += (actual[i] - expected[i]) * (actual[i] - expected[i]);
      signal += expected[i] * expected[i];
    }
  }
  return noise / signal;
}

TEST(EqualizeLayers, ComputesTheSameAndQuantizesBetter) {
  const Case c = uneven_case("aten.relu.default");
  Pairs pairs;
  const Graph equalized = equalize_layers(c.graph, &pairs);
  EXPECT_EQ(pairs, (Pairs{{"conv1", "conv2"}}));
  EXPECT_LT(relative_noise(c, equalized), 1e-11);
  const QuantizationScheme scheme = parse_scheme("{algorithm: min_max}");
  const double before = relative_noise(c, calibrate(quantize(fuse(c.graph), scheme), c.samples));
  const double after = relative_noise(c, calibrate(quantize(fuse(equalized), scheme), c.samples));
  EXPECT_LT(after, before / 10);  // 10 dB
}

TEST(EqualizeLayers, LeavesWhatAFactorDoesNotPassThrough) {
  for (const char* between : {"aten.relu6.default", "aten.sigmoid.default", "aten.silu.default"}) {
    const Case c = uneven_case(between);
    Pairs pairs;
    const Graph equalized = equalize_layers(c.graph, &pairs);
    EXPECT_TRUE(pairs.empty()) << between;
    EXPECT_EQ(relative_noise(c, equalized), 0.0) << between;
  }
}

TEST(EqualizeLayers, RefusesFakeQuants) {
  const Case c = uneven_case("aten.relu.default");
  EXPECT_THROW(equalize_layers(quantize(fuse(c.graph))), Error);
}

}  // namespace
}  // namespace tinyml
