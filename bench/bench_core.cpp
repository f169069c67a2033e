// What a user waits for: reading an archive, finding dependencies, planning, converting. The models are the .pt2 files
// in $TINYML_BENCH_MODELS (bench/export_models.py writes them).
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "analysis/graph_builder.h"
#include "tinyml/archive.h"
#include "tinyml/convert.h"
#include "tinyml/evaluate.h"
#include "tinyml/functionalize.h"
#include "tinyml/prune.h"
#include "tinyml/tflite.h"

namespace {

using namespace tinyml;  // NOLINT(google-build-using-namespace): a program of its own.

std::filesystem::path model_path(const char* name) {
  const char* directory = std::getenv("TINYML_BENCH_MODELS");
  return std::filesystem::path(directory == nullptr ? "." : directory) / name;
}

void read_archive(benchmark::State& state, const char* name) {
  const std::filesystem::path path = model_path(name);
  for (auto _ : state) benchmark::DoNotOptimize(read_pt2(path));
}

void normalize_graph(benchmark::State& state, const char* name) {
  const Graph graph = read_pt2(model_path(name));
  for (auto _ : state) benchmark::DoNotOptimize(normalize(graph));
}

void analyze(benchmark::State& state, const char* name) {
  const Graph graph = normalize(read_pt2(model_path(name)));
  for (auto _ : state) benchmark::DoNotOptimize(analyze_dependencies(graph));
}

void analyze_and_plan(benchmark::State& state, const char* name) {
  const Graph graph = normalize(read_pt2(model_path(name)));
  for (auto _ : state) {
    const DependencyGraph dependencies = analyze_dependencies(graph);
    benchmark::DoNotOptimize(plan_pruning(graph, dependencies, PruningConfig{}));  // half of each layer's channels
  }
}

/// Dependencies, plan for half of the FLOPs and cut: all but the proof.
void prune(benchmark::State& state, const Graph& graph) {
  PruningConfig config;
  config.target_flops = 0.5;
  for (auto _ : state) {
    const DependencyGraph dependencies = analyze_dependencies(graph);
    const PruningPlan plan = plan_pruning(graph, dependencies, config);
    benchmark::DoNotOptimize(apply_plan(graph, dependencies, plan));
  }
}

void plan_and_cut(benchmark::State& state, const char* name) { prune(state, normalize(read_pt2(model_path(name)))); }

/// Residual units with dense ends, `nodes` operators in all.
void plan_and_cut_generated(benchmark::State& state) {
  tinyml::testing::GraphBuilder b;
  ValueId x = b.conv("stem", b.input({1, 3, 8, 8}), 32);
  for (int64_t i = 0; b.graph.node_count() < static_cast<size_t>(state.range(0)); ++i) {
    const std::string name = "block" + std::to_string(i);
    const ValueId y = b.relu(b.batch_norm(name + ".n", b.conv(name + ".a", x, 16, 1)));
    if (i % 50 == 49) {
      x = b.conv(name + ".mix", b.cat({x, y}), 32, 1);
    } else {
      x = b.relu(b.add(x, b.batch_norm(name + ".m", b.conv(name + ".b", y, 32, 1))));
    }
  }
  b.output(b.conv("head", x, 4, 1));
  prune(state, b.graph);
}

void convert_and_serialize(benchmark::State& state, const char* name) {
  const Graph graph = normalize(read_pt2(model_path(name)));
  for (auto _ : state) benchmark::DoNotOptimize(tflite::serialize_tflite(convert(graph).model));
}

/// The proof of a pruning plan runs this twice.
void evaluate_in_float64(benchmark::State& state, const char* name) {
  const Graph graph = normalize(read_pt2(model_path(name)));
  EvaluateOptions options;
  options.float64 = true;
  std::vector<Tensor> inputs;
  for (const Input& input : graph.inputs()) {
    const TensorType& type = graph.tensor_type(input.value);
    inputs.emplace_back(type.type, type.sizes());
  }
  for (auto _ : state) benchmark::DoNotOptimize(evaluate(graph, inputs, options));
}

BENCHMARK_CAPTURE(read_archive, mobilenet_v2, "mobilenet_v2.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_archive, resnet50, "resnet50.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(normalize_graph, mobilenet_v2, "mobilenet_v2.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(analyze, resnet50, "resnet50.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(analyze_and_plan, resnet50, "resnet50.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan_and_cut, resnet50, "resnet50.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan_and_cut, vit_base, "vit_base.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan_and_cut, densenet201, "densenet201.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK(plan_and_cut_generated)->Arg(1000)->Arg(5000)->Arg(20000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(convert_and_serialize, mobilenet_v2, "mobilenet_v2.pt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_in_float64, resnet50, "resnet50.pt2")->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
