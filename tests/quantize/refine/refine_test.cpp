#include "tinyml/refine.h"

#include <gtest/gtest.h>

#include <random>

#include "quantize/graphs.h"
#include "quantize/refine/round_weights.h"
#include "quantize/refine/unfold.h"
#include "tinyml/calibration.h"
#include "tinyml/evaluate.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

Tensor random_tensor(std::vector<int64_t> shape, std::mt19937& random) {
  std::normal_distribution<float> normal;
  Tensor tensor(ScalarType::kFloat32, std::move(shape));
  float* data = tensor.mutable_data<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) data[i] = normal(random);
  return tensor;
}

/// Channels and neighbours with much in common, as activations have.
Tensor random_image(std::vector<int64_t> shape, std::mt19937& random) {
  Tensor image = random_tensor(shape, random);
  float* data = image.mutable_data<float>();
  const Tensor shared = random_tensor({1}, random);
  for (int64_t i = 0; i < image.numel(); ++i) data[i] = 0.5f * data[i] + 2.0f * shared.data<float>()[0];
  return image;
}

/// A network of two convolutions, one with batch norm, with random weights of 4 bits, and samples.
struct Case {
  Graph exact, quantized;
  std::vector<std::vector<Tensor>> samples;
};

Case make_case() {
  std::mt19937 random(7);
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  b.output(b.conv(b.relu(b.batch_norm(b.conv(x, "conv1", 6), "bn1")), "conv2", 4, 3, true));
  Case result;
  for (const Binding& binding : std::vector<Binding>(b.graph.bindings())) {
    if (binding.fqn.ends_with("weight") && binding.data.rank() == 4) {
      b.graph.set_binding_data(binding.value, random_tensor(binding.data.shape(), random));
    }
  }
  for (int i = 0; i < 8; ++i) result.samples.push_back({random_image({1, 3, 8, 8}, random)});
  result.exact = b.graph;
  const QuantizationScheme scheme = parse_scheme("{bits: {weight: 4, activation: 8}, algorithm: mse}");
  result.quantized = calibrate(quantize(fuse(b.graph), scheme), result.samples);
  return result;
}

double noise(const Case& c, const Graph& graph) {
  double sum = 0;
  for (const auto& sample : c.samples) {
    const std::vector<double> expected = evaluate(c.exact, sample)[0].to_doubles();
    const std::vector<double> actual = evaluate(graph, sample)[0].to_doubles();
    for (size_t i = 0; i < expected.size(); ++i) sum += (actual[i] - expected[i]) * (actual[i] - expected[i]);
  }
  return sum;
}

TEST(Refine, RoundingChangesResultsLessThanNearestDoes) {
  const Case c = make_case();
  std::vector<RefinedLayer> layers;
  const Graph refined = refine(c.quantized, c.samples, {.round_weights = true, .correct_bias = false}, &layers);
  ASSERT_EQ(layers.size(), 2u);
  for (const RefinedLayer& layer : layers) {
    EXPECT_GT(layer.nearest_error, 0.0);
    EXPECT_LT(layer.rounded_error, 0.8 * layer.nearest_error) << layer.name;
    EXPECT_FALSE(layer.bias_corrected);
  }
  EXPECT_LT(noise(c, refined), 0.8 * noise(c, c.quantized));
}

TEST(Refine, BiasCorrectionRemovesTheMeanError) {
  const Case c = make_case();
  std::vector<RefinedLayer> layers;
  const Graph refined = refine(c.quantized, c.samples, {.round_weights = false, .correct_bias = true}, &layers);
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_TRUE(layers[0].bias_corrected && layers[1].bias_corrected);
  EXPECT_EQ(layers[0].nearest_error, 0.0);
  const auto largest_mean = [&](const Graph& graph) {
    std::vector<double> mean(4, 0.0);
    for (const auto& sample : c.samples) {
      const std::vector<double> expected = evaluate(c.exact, sample)[0].to_doubles();
      const std::vector<double> actual = evaluate(graph, sample)[0].to_doubles();
      for (size_t i = 0; i < expected.size(); ++i) mean[i / (expected.size() / 4)] += actual[i] - expected[i];
    }
    double largest = 0;
    for (const double value : mean) largest = std::max(largest, std::abs(value));
    return largest;
  };
  EXPECT_LT(largest_mean(refined), 0.2 * largest_mean(c.quantized));
}

TEST(Refine, LeavesTheGivenGraphAloneAndRefusesNothing) {
  const Case c = make_case();
  const double before = noise(c, c.quantized);
  refine(c.quantized, c.samples);
  EXPECT_EQ(noise(c, c.quantized), before);
  EXPECT_THROW(refine(c.quantized, {}), Error);
}

/// A linear layer without data: rows * size * size multiply-accumulates.
Graph linear_layer(int64_t rows, int64_t size) {
  Graph graph;
  const auto type = [](int64_t a, int64_t b) { return TensorType::of(ScalarType::kFloat32, {a, b}); };
  const ValueId x = graph.add_input("x", type(rows, size));
  const ValueId weight = graph.add_input("weight", type(size, size));
  const char* op = "aten.linear.default";
  const ValueId y = graph.add_operator(op, make_args(op, {{"input", x}, {"weight", weight}}), type(rows, size));
  graph.add_output({Argument(y), OutputKind::kUser, "y"});
  return graph;
}

TEST(Refine, CorrectsBiasesWithWhatIsAffordable) {
  EXPECT_EQ(runs_to_correct_biases(linear_layer(300, 1000)), 32U);   // as MobileNetV2
  EXPECT_EQ(runs_to_correct_biases(linear_layer(1800, 1000)), 16U);  // as ResNet18
  EXPECT_EQ(runs_to_correct_biases(linear_layer(3000, 3000)), 8U);   // at least
  EXPECT_EQ(runs_to_correct_biases(Graph()), 8U);
  EXPECT_EQ(runs_to_correct_biases(linear_layer(4800, 1000), 16), 2U);  // examples come in batches
  EXPECT_EQ(runs_to_correct_biases(linear_layer(64, 1), 64), 1U);
}

TEST(Refine, CorrectsBiasesWithWhatFitsIntoMemory) {
  EXPECT_EQ(runs_to_correct_biases(linear_layer(50'000'000, 1)), 2U);  // 400 MB of values, twice
  EXPECT_EQ(runs_to_correct_biases(linear_layer(1'000'000'000, 1)), 1U);
}

TEST(RoundRows, IsNearTheBestOfAllRoundings) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  double of_nearest = 0;
  double of_best = 0;
  double of_chosen = 0;
  for (int trial = 0; trial < 20; ++trial) {
    // Inputs with much in common, as activations have.
    Eigen::MatrixXf inputs(6, 50);
    for (int j = 0; j < 50; ++j) {
      const double shared = normal(random);
      for (int i = 0; i < 6; ++i) inputs(i, j) = static_cast<float>(shared + 0.5 * normal(random));
    }
    Eigen::MatrixXd weights(1, 6);
    for (int i = 0; i < 6; ++i) weights(0, i) = 2.5 * normal(random);
    const auto change = [&](const Eigen::MatrixXd& integers) {
      return ((weights - integers) * inputs.cast<double>()).squaredNorm();
    };
    double best = change(weights.array().round().matrix());
    for (int choice = 0; choice < 64; ++choice) {
      Eigen::MatrixXd integers = weights.array().floor().matrix();
      for (int i = 0; i < 6; ++i) integers(0, i) += choice >> i & 1;
      best = std::min(best, change(integers));
    }
    double nearest = 0;
    double chosen = 0;
    const Eigen::MatrixXd result =
        quantization::round_rows(weights, inputs, -127, 127, Eigen::VectorXd::Ones(1), nearest, chosen);
    EXPECT_NEAR(chosen, change(result), 1e-3 * chosen);
    EXPECT_LE(chosen, nearest);
    of_nearest += nearest;
    of_best += best;
    of_chosen += chosen;
  }
  EXPECT_LT(of_chosen, 2.0 * of_best);
  EXPECT_GT(of_nearest, 2.0 * of_chosen);
}

TEST(Unfold, ColumnsTimesTheWeightAreTheConvolution) {
  std::mt19937 random(5);
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 8, 8});
  b.output(b.conv(x, "conv", 4, 3));
  const auto id = b.graph.value(b.graph.outputs()[0].value.as_value()).producer;
  const quantization::Layer layer{id, x, kNoNode, kNoValue, kNoValue};
  const auto window = quantization::find_window(b.graph, layer);
  ASSERT_TRUE(window);
  const Tensor input = random_tensor({1, 3, 8, 8}, random);
  const Tensor result = evaluate(b.graph, {input})[0];
  const int64_t positions = result.size(2) * result.size(3);
  const Eigen::MatrixXf columns = quantization::unfold({input}, *window, 0, 0, 27, positions);
  ASSERT_EQ(columns.cols(), positions);
  const Tensor& weight = b.graph.binding_of(b.graph.node(id).arg("weight").as_value())->data;
  const Argument& bias = b.graph.node(id).arg("bias");
  for (int64_t position = 0; position < positions; ++position) {
    double sum = bias.is_value() ? b.graph.binding_of(bias.as_value())->data.to_doubles()[0] : 0.0;
    for (int i = 0; i < 27; ++i) sum += static_cast<double>(weight.data<float>()[i] * columns(i, position));
    EXPECT_NEAR(sum, result.to_doubles()[static_cast<size_t>(position)], 1e-4);
  }
}

}  // namespace
}  // namespace tinyml
