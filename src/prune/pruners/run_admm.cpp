#include <fmt/format.h>

#include "prune/pruners/journal.h"

namespace tinyml {
namespace {

using Tensors = std::map<std::string, Tensor>;

/// Every parameter that the plan's model is masked in.
Tensors parameters_of(const Graph& graph, const PruningPlan& plan) {
  Tensors result;
  for (const Cut& cut : plan.cuts) {
    const Binding* binding = graph.find_binding(cut.fqn);
    if (binding->kind == BindingKind::kParameter) result.emplace(cut.fqn, binding->data.to(ScalarType::kFloat32));
  }
  return result;
}

/// a + sign * b, element by element.
Tensor combine(const Tensor& a, const Tensor& b, float sign) {
  Tensor result = a.contiguous();
  const Tensor other = b.contiguous();
  float* out = result.mutable_data<float>();
  const auto* in = reinterpret_cast<const float*>(other.bytes());
  for (int64_t i = 0; i < result.numel(); ++i) out[i] += sign * in[i];
  return result;
}

/// The graph with weights W + U.
Graph add_duals(const Graph& graph, const Tensors& duals) {
  Graph result = graph;
  for (const auto& [name, dual] : duals) {
    const Binding* binding = graph.find_binding(name);
    const Tensor sum = combine(binding->data.to(ScalarType::kFloat32), dual, 1.0f);
    result.set_binding_data(binding->value, sum.to(binding->data.type()));
  }
  return result;
}

/// The duals of a resumed run: anchors are Z - U, and U is zero where Z is not.
Tensors duals_behind(const PruningHost& host, const PruningPlan& plan) {
  Graph graph = host.graph();
  const Tensors anchors = host.anchors();
  for (const auto& [name, anchor] : anchors) graph.set_binding_data(graph.find_binding(name)->value, anchor);
  const Graph kept = mask_graph(graph, analyze_dependencies(graph, plan.dependencies), plan);
  Tensors duals;
  for (const auto& [name, anchor] : anchors) {
    duals.emplace(name, combine(kept.find_binding(name)->data, anchor, -1.0f));
  }
  return duals;
}

}  // namespace

void run_admm(const AdmmConfig& config, const PruningHost& host, const JournalPath& path) {
  if (!host.penalize || !host.anchors) throw Error("ADMM needs a host that adds its penalty to the gradients");
  prune::Journal journal(path,
                         fmt::format("admm {} {} {} {}", config.iterations, config.rho, config.admm_share,
                                     prune::fingerprint(config.pruning)),
                         host);
  Tensors duals;
  for (int i = 0; i < config.iterations; ++i) {
    const PruningPlan plan = journal.project([&] {
      const Graph graph = host.graph();
      const DependencyGraph dependencies = analyze_dependencies(graph, config.pruning.dependencies);
      const Graph shifted = add_duals(graph, duals);
      PruningPlan next = plan_pruning(shifted, dependencies, config.pruning);
      const Graph projected = mask_graph(shifted, dependencies, next);
      Tensors anchors;
      duals.clear();
      for (const auto& [name, sum] : parameters_of(shifted, next)) {
        const Tensor z = projected.find_binding(name)->data.to(ScalarType::kFloat32);
        const Tensor dual = combine(sum, z, -1.0f);
        anchors.emplace(name, combine(z, dual, -1.0f));
        duals.emplace(name, dual);
      }
      host.penalize(anchors, config.rho);
      return next;
    });
    if (journal.just_resumed()) duals = duals_behind(host, plan);
    const double share = config.admm_share / config.iterations;
    journal.train({i, share * i, share * (i + 1)});
    if (journal.just_resumed()) duals = duals_behind(host, plan);
  }
  journal.cut(config.pruning.dependencies, [&](const Graph& graph, const DependencyGraph& dependencies) {
    ImportanceData data;
    data.unit_scores = score_channels(add_duals(graph, duals), dependencies, config.pruning);
    host.penalize({}, 0.0);
    return plan_pruning(graph, dependencies, config.pruning, data);
  });
  TrainingSegment last{config.iterations, config.admm_share, 1.0};
  last.final = true;
  journal.train(last);
}

}  // namespace tinyml
