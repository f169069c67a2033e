#include <set>

#include "tinyml/prune.h"

namespace tinyml {
namespace {

template <typename Visit>
void visit_integers(const Argument& before, const Argument& after, Visit visit) {
  if (before.is_int() && after.is_int()) {
    visit(before.as_int(), after.as_int());
  } else if (before.is_list() && after.is_list() && before.as_list().size() == after.as_list().size()) {
    for (size_t i = 0; i < before.as_list().size(); ++i) visit_integers(before.as_list()[i], after.as_list()[i], visit);
  }
}

}  // namespace

std::vector<SizeArgument> size_arguments(const Graph& graph, const Graph& pruned) {
  std::set<SizeArgument> found;
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    const Node& before = graph.node(id);
    const Node& after = pruned.node(id);
    for (const NamedArgument& argument : before.args) {
      if (!after.has_arg(argument.name)) continue;  // The operator was replaced.
      visit_integers(argument.value, after.arg(argument.name), [&](int64_t old_size, int64_t new_size) {
        found.insert({before.module_path(), old_size, new_size});
      });
    }
  }
  return {found.begin(), found.end()};
}

}  // namespace tinyml
