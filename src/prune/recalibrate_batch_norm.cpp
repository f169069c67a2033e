#include <fmt/format.h>

#include <map>

#include "prune/batch_runner.h"
#include "tinyml/recover.h"

namespace tinyml {
namespace {

/// Sums over everything that a channel has gone through.
struct Statistics {
  int64_t count = 0;  ///< Values of each channel.
  std::vector<double> mean, deviations;

  /// Adds [N, C, ...] (Chan et al. 1983: pairwise update of means and sums of squared deviations).
  void add(const Tensor& input) {
    const Tensor data = input.to(ScalarType::kFloat64).contiguous();
    const int64_t channels = data.size(1);
    const int64_t outer = data.size(0),
                  inner = channels > 0 ? data.numel() / std::max<int64_t>(outer * channels, 1) : 0;
    mean.resize(static_cast<size_t>(channels), 0.0);
    deviations.resize(static_cast<size_t>(channels), 0.0);
    const double* in = data.data<double>().data();
    const auto added = static_cast<double>(outer * inner), before = static_cast<double>(count);
    if (outer * inner == 0) return;
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0.0, squares = 0.0;
      const auto each = [&](auto visit) {
        for (int64_t n = 0; n < outer; ++n) {
          const double* row = in + (n * channels + c) * inner;
          for (int64_t i = 0; i < inner; ++i) visit(row[i]);
        }
      };
      each([&](double x) { sum += x; });
      const double own = sum / added;
      each([&](double x) { squares += (x - own) * (x - own); });
      const double delta = own - mean[static_cast<size_t>(c)];
      mean[static_cast<size_t>(c)] += delta * added / (before + added);
      deviations[static_cast<size_t>(c)] += squares + delta * delta * before * added / (before + added);
    }
    count += outer * inner;
  }
};

bool is_batch_norm(const Node& node) {
  return node.op == "aten.batch_norm.default" || node.op == "aten.native_batch_norm.default" ||
         node.op == "aten._native_batch_norm_legit_no_training.default";
}

void set_statistic(Graph& graph, const Argument& argument, const std::vector<double>& values) {
  const Binding* binding = graph.binding_of(argument.as_value());
  if (binding == nullptr) return;  // Computed in the model: not ours to set.
  const Tensor data = Tensor::from<double>(values, {static_cast<int64_t>(values.size())});
  graph.set_binding_data(binding->value, data.to(binding->data.type()));
}

}  // namespace

Graph recalibrate_batch_norm(const Graph& graph, const Batches& batches) {
  Graph result = graph;
  prune::BatchRunner runner(result, batches);
  // By buffer: a batch norm that runs more than once has one set of statistics.
  std::map<ValueId, Statistics> statistics;
  for (const NodeId id : runner.nodes()) {
    const Node& node = result.node(id);
    if (is_batch_norm(node) && node.arg("running_mean").is_value() && node.arg("running_var").is_value()) {
      Statistics& own = statistics[node.arg("running_mean").as_value()];
      for (size_t batch = 0; batch < runner.batch_count(); ++batch) {
        own.add(runner.value(batch, node.arg("input").as_value()));
      }
      if (own.count < 2) {
        throw Error({"batch norm sees one value for each channel, which has no variance", node.module_path(),
                     node.source(), "give more data"});
      }
      std::vector<double> variance = own.deviations;
      for (double& value : variance) value /= static_cast<double>(own.count - 1);
      set_statistic(result, node.arg("running_mean"), own.mean);
      set_statistic(result, node.arg("running_var"), variance);
    }
    runner.run(id);
  }
  return result;
}

}  // namespace tinyml
