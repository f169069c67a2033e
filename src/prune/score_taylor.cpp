#include <fmt/format.h>

#include "prune/metrics.h"

namespace tinyml::prune {

std::vector<double> score_taylor(const Graph& graph, const DependencyGraph& dependencies, const ImportanceData& data) {
  std::vector<double> scores(static_cast<size_t>(dependencies.unit_count), 0.0);
  std::vector<Diagnostic> problems;
  for (const BindingAxis& axis : dependencies.axes) {
    const Binding& binding = *graph.binding_of(axis.value);
    if (axis.role == AxisRole::kConsumer || binding.kind != BindingKind::kParameter) continue;
    const auto gradient = data.gradients.find(axis.fqn);
    if (gradient == data.gradients.end()) {
      if (axis.role == AxisRole::kProducer) {
        problems.push_back({fmt::format("the parameter '{}' has no gradient", axis.fqn),
                            "",
                            {},
                            "run the loss's backward pass before pruning, with requires_grad set"});
      }
      continue;
    }
    if (gradient->second.shape() != binding.data.shape()) {
      problems.push_back(
          {fmt::format("the gradient of '{}' has another shape than the parameter", axis.fqn), "", {}, ""});
      continue;
    }
    Tensor product = binding.data.to(ScalarType::kFloat32).contiguous();
    const Tensor slope = gradient->second.to(ScalarType::kFloat32).contiguous();
    float* values = product.mutable_data<float>();
    const auto* slopes = reinterpret_cast<const float*>(slope.bytes());
    for (int64_t i = 0; i < product.numel(); ++i) values[i] *= slopes[i];
    const std::vector<double> sums = row_sums(axis_rows(product, axis));
    for (size_t i = 0; i < sums.size(); ++i) {
      if ((*axis.units)[i] != kPinnedUnit) scores[static_cast<size_t>((*axis.units)[i])] += sums[i];
    }
  }
  if (!problems.empty()) throw Error("the metric 'taylor' needs gradients", std::move(problems));
  for (double& score : scores) score *= score;
  return scores;
}

}  // namespace tinyml::prune
