#include "prune/pruners/budget.h"

#include <cmath>

#include "prune/meet_latency.h"

namespace tinyml::prune {

Budget::Budget(const PruningConfig& config, const PruningHost& host, Journal& journal) {
  const bool has_latency = config.target_latency || config.target_seconds;
  const int targets = (config.target_flops ? 1 : 0) + (config.target_parameters ? 1 : 0) + (has_latency ? 1 : 0);
  if (targets != 1) {
    throw Error(targets == 0 ? "a run of several cuts needs a target" : "a run of several cuts takes one target",
                "give the configuration target: {flops: SHARE}, {params: SHARE} or {latency: SHARE or TIME}");
  }
  const Graph graph = host.graph();
  if (has_latency) {
    kind_ = Kind::kLatency;
    latency_ = config.latency;
    if (!latency_) (void)latency_limit(graph, config);  // Throws.
    whole_ = journal.number([&] { return latency_(graph); });
    target_ = config.target_seconds ? *config.target_seconds : *config.target_latency * whole_;
    return;
  }
  kind_ = config.target_flops ? Kind::kMacs : Kind::kParameters;
  whole_ = of(graph);
  target_ = whole_ * (config.target_flops ? *config.target_flops : *config.target_parameters);
}

double Budget::of(const Graph& graph) const {
  if (kind_ == Kind::kLatency) return latency_(graph);
  const ModelCost cost = count_cost(graph);
  return static_cast<double>(kind_ == Kind::kMacs ? cost.total.macs : cost.parameters);
}

PruningConfig Budget::without_target(PruningConfig config) {
  config.target_flops.reset();
  config.target_macs.reset();
  config.target_parameters.reset();
  config.target_parameter_count.reset();
  config.target_latency.reset();
  config.target_seconds.reset();
  config.choose_multiple = false;  // Too many measurements for many cuts.
  return config;
}

PruningConfig Budget::limit(PruningConfig config, double amount) const {
  config = without_target(std::move(config));
  if (kind_ == Kind::kLatency) {
    config.target_seconds = amount;
  } else {
    (kind_ == Kind::kMacs ? config.target_macs : config.target_parameter_count) =
        static_cast<int64_t>(std::floor(amount));
  }
  return config;
}

const char* Budget::name() const {
  return kind_ == Kind::kLatency ? "latency" : kind_ == Kind::kMacs ? "FLOPs" : "parameters";
}

}  // namespace tinyml::prune
