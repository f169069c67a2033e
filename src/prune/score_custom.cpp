#include <fmt/format.h>

#include "prune/metrics.h"

namespace tinyml::prune {

std::vector<LayerScores> score_custom(const Graph& graph, const DependencyGraph& dependencies,
                                      const ImportanceData& data) {
  std::vector<LayerScores> result;
  std::vector<Diagnostic> problems;
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kProducer) continue;
    const auto found = data.scores.find(axis.fqn);
    if (found == data.scores.end()) {
      problems.push_back({fmt::format("there are no scores for '{}'", axis.fqn), "", {}, ""});
    } else if (found->second.size() != axis.units->size()) {
      problems.push_back({fmt::format("'{}' has {} channels (dimension {}), but {} scores", axis.fqn,
                                      axis.units->size(), axis.dim, found->second.size()),
                          "",
                          {},
                          "return one number for each channel"});
    } else {
      result.push_back({axis.units, found->second});
    }
  }
  for (const auto& [name, scores] : data.scores) {
    if (graph.find_binding(name) == nullptr) {
      problems.push_back({fmt::format("the model has no parameter '{}'", name), "", {}, ""});
    }
  }
  if (!problems.empty()) throw Error("the scores of the channels do not fit the model", std::move(problems));
  return result;
}

}  // namespace tinyml::prune
