#include "tinyml/profile.h"

#include <algorithm>
#include <map>
#include <random>

#include "profile/extract_operator.h"

namespace tinyml {
namespace {

/// The model with each layer at the width that `width_of` says.
Graph at_widths(const Graph& graph, const DependencyGraph& dependencies, const ProfileOptions& options,
                const ImportanceData& data, const std::function<double()>& width_of) {
  PruningConfig config;
  config.sparsity = 0.0;
  config.multiple = options.multiple;
  config.dependencies = options.dependencies;
  for (const Subgraph& subgraph : dependencies.subgraphs) {
    config.layer_sparsity[subgraph.name] = std::clamp(1.0 - width_of(), 0.0, 0.999999);
  }
  return apply_plan(graph, dependencies, plan_pruning(graph, dependencies, config, data));
}

/// Models whose operators have the shapes to measure; the first `options.widths.size()` have one width each.
std::vector<tflite::Model> sample_models(const Graph& graph, const ProfileOptions& options) {
  const DependencyGraph dependencies = analyze_dependencies(graph, options.dependencies);
  ImportanceData data;
  data.unit_scores.assign(static_cast<size_t>(dependencies.unit_count), 1.0);
  std::vector<tflite::Model> models;
  const auto add = [&](const std::function<double()>& width_of) {
    models.push_back(convert(at_widths(graph, dependencies, options, data, width_of), options.convert).model);
  };
  for (const double width : options.widths) add([width] { return width; });
  std::mt19937_64 random(options.seed);
  for (int round = 0; round < options.rounds; ++round) {
    add([&] { return options.widths[random() % options.widths.size()]; });
  }
  return models;
}

}  // namespace

LatencyTable profile(const Graph& graph, const MeasureModel& measure, const ProfileOptions& options) {
  const bool valid = !options.widths.empty() && std::all_of(options.widths.begin(), options.widths.end(),
                                                            [](double width) { return width > 0.0 && width <= 1.0; });
  if (!valid) throw Error("the widths to profile at are shares of the channels in (0, 1]");
  const std::vector<tflite::Model> models = sample_models(graph, options);
  struct Task {
    OperatorShape shape;
    tflite::Model model;
  };
  std::vector<Task> tasks;
  LatencyTable seen;
  for (const tflite::Model& model : models) {
    const tflite::Subgraph& main = model.subgraphs.at(0);
    for (const tflite::Operator& op : main.operators) {
      OperatorShape shape = describe_operator(main, op);
      if (shape.kind.empty() || seen.contains(shape)) continue;
      seen.add(shape, 0.0);
      tasks.push_back({std::move(shape), profiling::extract_operator(main, op)});
    }
  }
  const size_t total = tasks.size() + options.widths.size();
  size_t done = 0;
  const auto timed = [&](const tflite::Model& model) {
    if (options.on_progress) options.on_progress(done, total);
    ++done;
    const double seconds = measure(model);
    if (!(seconds > 0.0)) throw Error("a measured latency must be above zero");
    return seconds;
  };
  LatencyTable table;
  for (const Task& task : tasks) table.add(task.shape, timed(task.model));
  // The factor with the least relative error.
  double numerator = 0.0, denominator = 0.0;
  for (size_t i = 0; i < options.widths.size(); ++i) {
    const double ratio = table.estimate(models[i]) / timed(models[i]);
    numerator += ratio;
    denominator += ratio * ratio;
  }
  if (denominator > 0.0) table.scale = numerator / denominator;
  return table;
}

}  // namespace tinyml
