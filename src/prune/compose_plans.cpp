#include <map>
#include <utility>

#include "tinyml/prune.h"

namespace tinyml {

PruningPlan compose_plans(const PruningPlan& first, const PruningPlan& second) {
  PruningPlan result = first;
  result.metric = second.metric.empty() ? first.metric : second.metric;
  std::map<std::pair<std::string, int64_t>, Cut*> known;
  for (Cut& cut : result.cuts) known.emplace(std::pair(cut.fqn, cut.dim), &cut);
  std::vector<Cut> added;
  for (const Cut& cut : second.cuts) {
    const auto found = known.find(std::pair(cut.fqn, cut.dim));
    if (found == known.end()) {
      added.push_back(cut);
      continue;
    }
    std::vector<int64_t>& before = found->second->kept;
    if (cut.size != static_cast<int64_t>(before.size())) {
      throw Error("the second plan was not made for the result of the first",
                  {{cut.fqn + " has another size", "", {}, ""}});
    }
    std::vector<int64_t> kept;
    for (const int64_t index : cut.kept) kept.push_back(before[static_cast<size_t>(index)]);
    before = std::move(kept);
  }
  result.cuts.insert(result.cuts.end(), added.begin(), added.end());
  result.removed_branches.insert(result.removed_branches.end(), second.removed_branches.begin(),
                                 second.removed_branches.end());
  return result;
}

PruningPlan restrict_plan(PruningPlan plan, const Graph& graph) {
  std::erase_if(plan.cuts, [&](const Cut& cut) { return graph.find_binding(cut.fqn) == nullptr; });
  return plan;
}

}  // namespace tinyml
