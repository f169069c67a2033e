#include "tinyml/pruners.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "analysis/graph_builder.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

struct Model {
  Graph graph;
  std::map<std::string, Tensor> anchors;
  double rho = 0.0;
};
/// Checkpoints by path: what outlives a killed process.
using Disk = std::map<std::string, Model>;

struct Killed {};

Graph network() {
  GraphBuilder b;
  const ValueId x = b.relu(b.conv("a", b.input({1, 3, 8, 8}), 16));
  b.output(b.conv("d", b.add(x, b.conv("c", b.relu(b.conv("b", x, 16)), 16)), 4));
  return b.graph;
}

void train(Model& model, const TrainingSegment& segment) {
  for (const Binding& binding : model.graph.bindings()) {
    Tensor data = binding.data.contiguous();
    float* out = data.mutable_data<float>();
    const auto anchor = model.anchors.find(binding.fqn);
    for (int64_t i = 0; i < data.numel(); ++i) {
      out[i] *= 1.0f + 0.01f * static_cast<float>((i * 7 + segment.index * 3) % 11 - 5);
      if (anchor == model.anchors.end()) continue;
      out[i] -= static_cast<float>(model.rho) * (out[i] - anchor->second.data<float>()[static_cast<size_t>(i)]);
    }
    model.graph.set_binding_data(binding.value, data);
  }
}

double magnitude(const Graph& graph) {
  double sum = 0.0;
  for (const Binding& binding : graph.bindings()) {
    for (const double value : binding.data.to_doubles()) sum += std::abs(value);
  }
  return sum;
}

/// A host as C++ users write it. Killed when segment `stop_at` would begin.
PruningHost make_host(const std::shared_ptr<Model>& model, const std::shared_ptr<Disk>& disk, int stop_at,
                      const std::shared_ptr<std::vector<int>>& trained) {
  PruningHost host;
  host.graph = [model] { return model->graph; };
  host.cut = [model](const PruningPlan& plan) { model->graph = apply_plan(model->graph, plan); };
  host.train = [model, stop_at, trained](const TrainingSegment& segment) {
    if (segment.index == stop_at) throw Killed();
    trained->push_back(segment.index);
    train(*model, segment);
  };
  host.evaluate = [model] { return magnitude(model->graph); };
  host.penalize = [model](const std::map<std::string, Tensor>& anchors, double rho) {
    model->anchors = anchors;
    model->rho = rho;
  };
  host.anchors = [model] { return model->anchors; };
  host.fork = [=] { return make_host(std::make_shared<Model>(*model), disk, stop_at, trained); };
  host.save = [model, disk](const std::string& path) { (*disk)[path] = *model; };
  host.load = [model, disk](const std::string& path) { *model = disk->at(path); };
  return host;
}

struct Outcome {
  Graph graph;
  std::vector<int> trained;
  bool was_killed = false;
};

template <typename Config>
Outcome run(const Config& config, void (*pruner)(const Config&, const PruningHost&, const JournalPath&),
            const std::string& journal, const std::shared_ptr<Disk>& disk, int stop_at = -1) {
  const auto model = std::make_shared<Model>(Model{network(), {}, 0.0});
  const auto trained = std::make_shared<std::vector<int>>();
  Outcome result;
  try {
    pruner(config, make_host(model, disk, stop_at, trained), journal);
  } catch (const Killed&) {
    result.was_killed = true;
  }
  result.graph = model->graph;
  result.trained = *trained;
  return result;
}

class Pruners : public ::testing::Test {
 protected:
  Pruners()
      : directory_(std::filesystem::temp_directory_path() /
                   (std::string("tinyml_") + ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(directory_);
  }
  ~Pruners() override { std::filesystem::remove_all(directory_); }

  /// A run that is killed and goes on ends where one that is not does.
  template <typename Config>
  void expect_resumes(const Config& config, void (*pruner)(const Config&, const PruningHost&, const JournalPath&),
                      int stop_at) {
    const auto disk = std::make_shared<Disk>();
    const Outcome whole = run(config, pruner, "", disk);
    const std::string journal = (directory_ / std::to_string(stop_at)).string();
    ASSERT_TRUE(run(config, pruner, journal, disk, stop_at).was_killed);
    const Outcome resumed = run(config, pruner, journal, disk);
    EXPECT_LT(resumed.trained.size(), whole.trained.size());
    EXPECT_EQ(resumed.trained.front(), stop_at);
    ASSERT_EQ(resumed.graph.bindings().size(), whole.graph.bindings().size());
    for (const Binding& binding : whole.graph.bindings()) {
      EXPECT_EQ(resumed.graph.find_binding(binding.fqn)->data.to_doubles(), binding.data.to_doubles()) << binding.fqn;
    }
    const double macs = static_cast<double>(count_cost(network()).total.macs);
    EXPECT_LE(static_cast<double>(count_cost(whole.graph).total.macs), 0.4 * macs);
    EXPECT_GE(static_cast<double>(count_cost(whole.graph).total.macs), 0.25 * macs);
  }

  std::filesystem::path directory_;
};

TEST_F(Pruners, GradualResumes) {
  const GradualConfig config = parse_gradual_config("{target: {flops: 0.4}, steps: 4}");
  for (const int stop_at : {1, 3, 4}) expect_resumes(config, run_gradual, stop_at);
}

TEST_F(Pruners, GradualMeetsALatency) {
  GradualConfig config = parse_gradual_config("{target: {latency: 0.35}, steps: 3}");
  config.pruning.latency = [](const Graph& graph) {
    return 1e-9 * static_cast<double>(count_cost(graph).total.macs) + 1e-6;
  };
  expect_resumes(config, run_gradual, 2);
}

TEST_F(Pruners, AdmmResumes) {
  const AdmmConfig config = parse_admm_config("{target: {flops: 0.4}, iterations: 3, rho: 0.05}");
  for (const int stop_at : {1, 2, 3}) expect_resumes(config, run_admm, stop_at);
}

TEST_F(Pruners, NetAdaptResumes) {
  const NetAdaptConfig config = parse_netadapt_config("{target: {flops: 0.4}, first_reduction: 0.3}");
  for (const int stop_at : {1, 2}) expect_resumes(config, run_netadapt, stop_at);
}

TEST_F(Pruners, NetAdaptTakesSmallerStepsWhereNoLayerAloneCanGiveAWholeOne) {
  const NetAdaptConfig config = parse_netadapt_config("{target: {flops: 0.02}, first_reduction: 0.9}");
  const Outcome outcome = run(config, run_netadapt, "", std::make_shared<Disk>());
  EXPECT_LE(static_cast<double>(count_cost(outcome.graph).total.macs),
            0.02 * static_cast<double>(count_cost(network()).total.macs));
  // Less than one channel a layer cannot be.
  EXPECT_THROW(run(parse_netadapt_config("{target: {flops: 0.001}}"), run_netadapt, "", std::make_shared<Disk>()),
               Error);
}

TEST_F(Pruners, JournalsOfOtherRunsAreRefused) {
  const auto disk = std::make_shared<Disk>();
  const std::string journal = directory_.string();
  (void)run(parse_gradual_config("{target: {flops: 0.4}}"), run_gradual, journal, disk, 1);
  EXPECT_THROW(run(parse_gradual_config("{target: {flops: 0.5}}"), run_gradual, journal, disk), Error);
  EXPECT_THROW(run(parse_admm_config("{target: {flops: 0.4}}"), run_admm, journal, disk), Error);
}

}  // namespace
}  // namespace tinyml
