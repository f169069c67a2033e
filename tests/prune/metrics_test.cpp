#include "prune/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "analysis/graph_builder.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

/// conv a (4 channels) - batch norm - relu - conv b.
struct Net {
  GraphBuilder b;
  DependencyGraph dependencies;
  explicit Net(bool norm = true) {
    ValueId x = b.conv("a", b.input({2, 3, 5, 5}), 4);
    if (norm) x = b.batch_norm("n", x);
    b.output(b.conv("b", b.relu(x), 3));
    dependencies = analyze_dependencies(b.graph);
  }
  std::vector<double> scores(const std::string& config, const ImportanceData& data = {}) const {
    return score_channels(b.graph, dependencies, parse_pruning_config(config), data);
  }
  const Tensor& data(const std::string& fqn) const { return b.graph.find_binding(fqn)->data; }
  /// Index of each unit in `a`.
  UnitList units() const {
    for (const BindingAxis& axis : dependencies.axes) {
      if (axis.fqn == "a.weight" && axis.role == AxisRole::kProducer) return axis.units;
    }
    return nullptr;
  }
};

std::string message_of(const Net& net, const std::string& config, const ImportanceData& data) {
  try {
    net.scores(config, data);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Metrics, BatchNormScale) {
  const Net net;
  const std::vector<double> scores = net.scores("metrics: bn_scale"), gamma = net.data("n.weight").to_doubles();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_DOUBLE_EQ(scores[static_cast<size_t>((*net.units())[i])], std::abs(gamma[i]));
  }
}

TEST(Metrics, BatchNormScaleIsTheNormOfWeightsWhereThereIsNone) {
  const Net net(false);
  EXPECT_EQ(net.scores("metrics: bn_scale"), net.scores("metrics: l2_norm"));
}

TEST(Metrics, TaylorIsTheSquareOfTheSummedProducts) {
  const Net net;
  ImportanceData data;
  for (const char* name : {"a.weight", "a.bias", "n.weight", "n.bias", "b.weight", "b.bias"}) {
    Tensor ones(ScalarType::kFloat32, net.data(name).shape());
    std::fill_n(ones.mutable_data<float>(), ones.numel(), 1.0f);
    data.gradients[name] = ones;
  }
  const std::vector<double> weight = net.data("a.weight").to_doubles();
  const std::vector<double> scores = net.scores("metrics: taylor", data);
  for (size_t i = 0; i < 4; ++i) {
    double sum = std::accumulate(weight.begin() + static_cast<int64_t>(i) * 27,
                                 weight.begin() + static_cast<int64_t>(i + 1) * 27, 0.0);
    for (const char* name : {"a.bias", "n.weight", "n.bias"}) sum += net.data(name).to_doubles()[i];
    EXPECT_NEAR(scores[static_cast<size_t>((*net.units())[i])], sum * sum, 1e-4);
  }
}

TEST(Metrics, TaylorListsMissingGradients) {
  const Net net;
  ImportanceData data;
  data.gradients["n.weight"] = Tensor(ScalarType::kFloat32, {3});
  const std::string message = message_of(net, "metrics: taylor", data);
  EXPECT_NE(message.find("'a.weight' has no gradient"), std::string::npos) << message;
  EXPECT_NE(message.find("'n.weight' has another shape"), std::string::npos) << message;
}

TEST(Metrics, ApozCountsWhatTheActivationLetsThrough) {
  Net net;
  Tensor bias(ScalarType::kFloat32, {4});
  const float offsets[] = {100.0f, -100.0f, 100.0f, -100.0f};
  std::copy_n(offsets, 4, bias.mutable_data<float>());
  net.b.graph.set_binding_data(net.b.graph.find_binding("n.bias")->value, bias);
  ImportanceData data;
  data.batches = {{Tensor(ScalarType::kFloat32, {2, 3, 5, 5})}};
  const std::vector<double> scores = net.scores("metrics: apoz", data);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(scores[static_cast<size_t>((*net.units())[i])], i % 2 == 0 ? 1.0 : 0.0);
  EXPECT_NE(message_of(net, "metrics: apoz", {}).find("needs example inputs"), std::string::npos);
}

TEST(Metrics, HrankIsTheRankOfTheMaps) {
  // A map that is constant has rank 1, an identity full rank.
  GraphBuilder b;
  const ValueId x = b.input({1, 2, 4, 4});
  const ValueId weight =
      b.graph.add_binding(BindingKind::kParameter, "a.weight", Tensor::from<float>({1, 0, 0, 1}, {2, 2, 1, 1}));
  b.output(b.conv("b", b.op("aten.conv2d.default", {{"input", x}, {"weight", weight}}, {1, 2, 4, 4}), 3));
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  Tensor input(ScalarType::kFloat32, {1, 2, 4, 4});
  float* out = input.mutable_data<float>();
  std::fill_n(out, 16, 1.0f);
  for (int i = 0; i < 4; ++i) out[16 + 5 * i] = 1.0f;
  ImportanceData data;
  data.batches = {{input}};
  const std::vector<double> scores =
      score_channels(b.graph, dependencies, parse_pruning_config("metrics: hrank"), data);
  const std::vector<UnitId>& units = dependencies.subgraphs.at(0).units;
  EXPECT_EQ(scores[static_cast<size_t>(units[0])], 1.0);
  EXPECT_EQ(scores[static_cast<size_t>(units[1])], 4.0);
}

TEST(Metrics, CustomScoresAreUsedAndChecked) {
  const Net net;
  ImportanceData data;
  data.scores["a.weight"] = {4, 3, 2, 1};
  const std::vector<double> scores = net.scores("metrics: custom", data);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(scores[static_cast<size_t>((*net.units())[i])], 4.0 - static_cast<double>(i));
  }
  data.scores["a.weight"] = {1, 2};
  data.scores["z.weight"] = {1};
  const std::string message = message_of(net, "metrics: custom", data);
  EXPECT_NE(message.find("has 4 channels (dimension 0), but 2 scores"), std::string::npos) << message;
  EXPECT_NE(message.find("no parameter 'z.weight'"), std::string::npos) << message;
}

TEST(Metrics, Reductions) {
  const auto units = [](std::vector<UnitId> list) { return std::make_shared<const std::vector<UnitId>>(list); };
  const std::vector<prune::LayerScores> layers = {{units({0, 1, kPinnedUnit}), {2, 4, 9}},
                                                  {units({1, 1, 0}), {1, 3, 8}}};
  EXPECT_EQ(prune::reduce_scores(layers, 2, "none", "sum"), (std::vector<double>{10, 6}));
  EXPECT_EQ(prune::reduce_scores(layers, 2, "none", "mean"), (std::vector<double>{5, 3}));
  EXPECT_EQ(prune::reduce_scores(layers, 2, "none", "max"), (std::vector<double>{8, 4}));
  EXPECT_EQ(prune::reduce_scores(layers, 2, "max", "sum"), (std::vector<double>{1.5, 1.25}));
  EXPECT_EQ(prune::reduce_scores({layers[0]}, 2, "mean", "sum"), (std::vector<double>{2.0 / 3, 4.0 / 3}));
  EXPECT_EQ(prune::reduce_scores({layers[0]}, 2, "lamp", "sum"), (std::vector<double>{4.0 / 20, 1.0}));
  EXPECT_EQ(prune::reduce_scores({layers[0]}, 2, "standard", "sum"), (std::vector<double>{-1, 1}));
}

TEST(Allocation, GlobalScopeTakesTheLeastImportantOfAll) {
  GraphBuilder b;
  ValueId x = b.input({1, 3, 4, 4});
  x = b.relu(b.conv("a", x, 8));
  x = b.relu(b.conv("b", x, 8));
  b.output(b.conv("c", x, 2));
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  ImportanceData data;
  data.scores["a.weight"] = {1, 2, 3, 4, 5, 6, 7, 8};
  data.scores["b.weight"] = {11, 12, 13, 14, 15, 16, 17, 18};
  const auto widths = [&](const std::string& config) {
    const Graph pruned = apply_plan(b.graph, plan_pruning(b.graph, dependencies, parse_pruning_config(config), data));
    return std::vector<int64_t>{pruned.find_binding("a.weight")->data.size(0),
                                pruned.find_binding("b.weight")->data.size(0)};
  };
  EXPECT_EQ(widths("{metrics: custom, scope: global, normalize: none, sparsity: 0.25}"), (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(widths("{metrics: custom, scope: global, normalize: none, sparsity: 0.5}"), (std::vector<int64_t>{1, 8}));
  EXPECT_EQ(widths("{metrics: custom, scope: global, normalize: none, sparsity: 0.5, max_sparsity: 0.5}"),
            (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(widths("{metrics: custom, scope: global, normalize: none, sparsity: {default: 0.25, b: 0.5}}"),
            (std::vector<int64_t>{6, 4}));
}

TEST(Allocation, MeetsATargetOfParameters) {
  GraphBuilder b;
  ValueId x = b.input({1, 3, 8, 8});
  for (const char* name : {"a", "b", "c"}) x = b.relu(b.conv(name, x, 32));
  b.output(b.conv("d", x, 4));
  const DependencyGraph dependencies = analyze_dependencies(b.graph);
  const double before = static_cast<double>(count_cost(b.graph).parameters);
  for (const char* scope : {"uniform", "global"}) {
    const PruningConfig config = parse_pruning_config(std::string("{target: {params: 0.3}, scope: ") + scope + "}");
    const double after =
        static_cast<double>(count_cost(apply_plan(b.graph, plan_pruning(b.graph, dependencies, config))).parameters);
    EXPECT_LE(after, 0.3 * before);
    EXPECT_GE(after, 0.25 * before);
  }
}

}  // namespace
}  // namespace tinyml
