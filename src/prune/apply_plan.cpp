#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "prune/cut_binding.h"
#include "prune/kept_shapes.h"
#include "prune/update_arguments.h"
#include "tinyml/branches.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

std::vector<std::vector<bool>> alive_of(const std::vector<const BindingAxis*>& axes, const std::vector<bool>& kept) {
  std::vector<std::vector<bool>> result;
  for (const BindingAxis* axis : axes) {
    std::vector<bool>& alive = result.emplace_back(axis->units->size(), true);
    for (size_t i = 0; i < alive.size(); ++i) {
      const UnitId unit = (*axis->units)[i];
      alive[i] = unit == kPinnedUnit || kept[static_cast<size_t>(unit)];
    }
  }
  return result;
}

/// Shared storage stays shared: the same cut of the same data is made once.
class TiedTensors {
 public:
  template <typename Make>
  Tensor get(const Tensor& data, Make make) {
    const Key key(data.storage().data(), data.offset(), data.shape(), data.strides());
    const auto known = made_.find(key);
    if (known != made_.end()) return known->second;
    return made_.emplace(key, make()).first->second;
  }

 private:
  using Key = std::tuple<const std::byte*, int64_t, std::vector<int64_t>, std::vector<int64_t>>;
  std::map<Key, Tensor> made_;
};

template <typename Change>
void change_bindings(Graph& graph, const DependencyGraph& dependencies, const std::vector<bool>& kept, Change change) {
  TiedTensors tied;
  for (const auto& [value, axes] : prune::axes_by_binding(dependencies)) {
    const Tensor data = graph.binding_of(value)->data;
    graph.set_binding_data(value, tied.get(data, [&] { return change(data, axes, alive_of(axes, kept)); }));
  }
}

/// Throws unless the branches that the plan takes out are gone.
void require_removed(const Graph& graph, const PruningPlan& plan) {
  if (plan.removed_branches.empty()) return;
  std::vector<Diagnostic> problems;
  for (const ResidualBranch& branch : find_residual_branches(graph)) {
    if (std::find(plan.removed_branches.begin(), plan.removed_branches.end(), branch.name) ==
        plan.removed_branches.end()) {
      continue;
    }
    problems.push_back({fmt::format("the residual branch '{}' is still there", branch.name),
                        branch.name,
                        {},
                        "call remove_branches(graph, plan.removed_branches) first"});
  }
  if (!problems.empty()) {
    throw Error("the plan's cuts are of the model without some of its branches", std::move(problems));
  }
}

}  // namespace

std::vector<bool> kept_units(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan) {
  if (plan.dependencies != dependencies.options) {
    throw Error("the dependencies were found with other options than the plan's",
                "call analyze_dependencies(graph, plan.dependencies)");
  }
  std::vector<Diagnostic> problems;
  enum : uint8_t { kUnknown, kKeep, kDrop };
  std::vector<uint8_t> states(static_cast<size_t>(dependencies.unit_count), kUnknown);
  const auto problem = [&](const Cut& cut, std::string what) {
    problems.push_back({fmt::format("{} (dimension {}): {}", cut.fqn, cut.dim, what), "", {}, ""});
  };
  std::map<std::pair<std::string, int64_t>, const BindingAxis*> axes;
  for (const BindingAxis& axis : dependencies.axes) axes.emplace(std::pair(axis.fqn, axis.dim), &axis);
  std::vector<std::string> split;  // Cuts that separate channels which depend on each other.
  for (const Cut& cut : plan.cuts) {
    const Binding* binding = graph.find_binding(cut.fqn);
    const auto found = axes.find(std::pair(cut.fqn, cut.dim));
    if (binding == nullptr) {
      problem(cut, "the model has no such parameter");
    } else if (cut.dim < 0 || cut.dim >= binding->data.rank()) {
      problem(cut, fmt::format("the parameter has {} dimensions", binding->data.rank()));
    } else if (cut.size != binding->data.size(cut.dim) * cut.groups) {
      problem(cut, fmt::format("the plan was made for {} indices, the model has {}", cut.size,
                               binding->data.size(cut.dim) * cut.groups));
    } else if (found == axes.end()) {
      problem(cut, "it cannot be pruned in this model");
    } else if (found->second->groups != cut.groups) {
      problem(cut, fmt::format("the plan was made for {} groups, the model has {}", cut.groups, found->second->groups));
    } else if (!std::is_sorted(cut.kept.begin(), cut.kept.end()) || cut.kept.empty() || cut.kept.front() < 0 ||
               cut.kept.back() >= cut.size || std::adjacent_find(cut.kept.begin(), cut.kept.end()) != cut.kept.end()) {
      problem(cut, "the kept indices are not an ascending list of existing ones");
    } else {
      size_t next = 0;
      for (int64_t i = 0; i < cut.size; ++i) {
        const bool keep = next < cut.kept.size() && cut.kept[next] == i;
        next += keep ? 1 : 0;
        const UnitId unit = (*found->second->units)[static_cast<size_t>(i)];
        if (unit == kPinnedUnit) {
          if (!keep) problem(cut, fmt::format("index {} cannot be removed", i));
          continue;
        }
        uint8_t& state = states[static_cast<size_t>(unit)];
        const uint8_t now = keep ? kKeep : kDrop;
        if (state == kUnknown) state = now;
        if (state != now) {
          problem(cut, fmt::format("index {} depends on others that the plan treats differently", i));
          break;
        }
      }
    }
  }
  if (!problems.empty()) throw Error("the pruning plan does not fit the model", std::move(problems));
  std::vector<bool> kept(states.size());
  for (size_t i = 0; i < kept.size(); ++i) kept[i] = states[i] != kDrop;
  return kept;
}

Graph apply_plan(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan) {
  require_removed(graph, plan);
  const std::vector<bool> kept = kept_units(graph, dependencies, plan);
  const prune::KeptShapes shapes(graph, dependencies, kept);
  Graph pruned = graph;
  for (NodeId id : graph.nodes()) prune::update_arguments(pruned, id, shapes);
  for (size_t i = 0; i < dependencies.values.size(); ++i) {
    const ValueId value{static_cast<uint32_t>(i)};
    if (dependencies.values[i].empty() || graph.binding_of(value) != nullptr) continue;
    TensorType type = graph.tensor_type(value);
    const std::vector<int64_t> sizes = shapes.sizes(value);
    for (size_t dim = 0; dim < sizes.size(); ++dim) {
      if (type.shape[dim].hint() == sizes[dim]) continue;
      if (sizes[dim] == 0) throw Error(fmt::format("the plan removes every channel of '{}'", graph.value(value).name));
      type.shape[dim] = sizes[dim];
      type.strides.clear();
    }
    pruned.set_tensor_type(value, std::move(type));
  }
  change_bindings(pruned, dependencies, kept, prune::cut_tensor);
  return pruned;
}

Graph apply_plan(const Graph& graph, const PruningPlan& plan) {
  const Graph whole = remove_branches(graph, plan.removed_branches);
  return apply_plan(whole, analyze_dependencies(whole, plan.dependencies), plan);
}

Graph mask_graph(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan) {
  require_removed(graph, plan);
  Graph masked = graph;
  change_bindings(masked, dependencies, kept_units(graph, dependencies, plan), prune::mask_tensor);
  return masked;
}

}  // namespace tinyml
