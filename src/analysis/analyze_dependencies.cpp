#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "analysis/index_space.h"
#include "analysis/rules.h"
#include "tinyml/analysis.h"

namespace tinyml {

using analysis::Block;
using analysis::Label;
using analysis::LabelList;
using analysis::Propagation;

namespace {

void run_rules(const Graph& graph, Propagation& p) {
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    const Node& node = graph.node(id);
    p.begin(id);
    const auto rule = analysis::channel_rules().find(node.op);
    if (rule != analysis::channel_rules().end()) {
      rule->second(p, node);
      continue;
    }
    const std::string why = fmt::format("operator {} has no rule for channel dependencies", node.op);
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) {
        if (!p.is_tensor(value)) return;
        p.fix_all(value, why);
        // Listed with what cannot be pruned, whatever its dimensions mean.
        for (int64_t dim = 0; p.rank(value) > 1 && dim < p.rank(value); ++dim) {
          p.set_role(value, dim, AxisRole::kProducer);
        }
      });
    }
  }
  p.begin(kNoNode);
  for (const Output& output : graph.outputs()) {
    output.value.for_each_value([&](ValueId value) {
      if (!p.is_tensor(value)) return;
      const Binding* target = output.kind == OutputKind::kUser ? nullptr : graph.find_binding(output.target);
      if (target == nullptr) return p.fix_all(value, "it is an output of the network");
      p.join({analysis::aligned(p, value), analysis::aligned(p, target->value)}, p.sizes(value),
             analysis::ZeroRule::kAll);
    });
  }
  p.settle();
}

/// Turns classes of labels into units: those that some layer produces and nothing pins.
class UnitBuilder {
 public:
  UnitBuilder(const Graph& graph, Propagation& p) : graph_(graph), p_(p) {}

  DependencyGraph build() {
    collect_axes();
    for (const auto& axis : axes_)
      result_.axes.push_back(
          {axis.fqn, axis.value, axis.dim, axis.groups, units_of(axis.labels), axis.role, axis.maskable});
    result_.unit_count = next_;
    std::erase_if(result_.axes, [](const BindingAxis& axis) {
      return std::all_of(axis.units->begin(), axis.units->end(), [](UnitId unit) { return unit == kPinnedUnit; });
    });
    for (size_t i = 0; i < result_.axes.size(); ++i) {
      if (result_.axes[i].groups > 1) result_.grouped.emplace(result_.axes[i].value, i);
    }
    collect_values();
    collect_constraints();
    collect_subgraphs();
    return std::move(result_);
  }

 private:
  struct Axis {
    std::string fqn;
    ValueId value;
    int64_t dim;
    int64_t groups;
    LabelList labels;
    AxisRole role;
    bool maskable;
  };

  /// Axes of all bindings in the order their values are first read; numbers the classes that layers produce.
  void collect_axes() {
    std::unordered_map<uint32_t, size_t> order;
    size_t position = 0;
    for (NodeId id = graph_.first_node(); id != kNoNode; id = graph_.next_node(id)) {
      for (const NamedArgument& arg : graph_.node(id).args) {
        arg.value.for_each_value(
            [&](ValueId value) { order.emplace(static_cast<uint32_t>(p_.canonical(value)), position++); });
      }
    }
    std::vector<const Binding*> bindings;
    for (const Binding& binding : graph_.bindings()) {
      // Of tied weights the graph may read one only; all are cut.
      if (order.contains(static_cast<uint32_t>(p_.canonical(binding.value)))) bindings.push_back(&binding);
    }
    std::stable_sort(bindings.begin(), bindings.end(), [&](const Binding* a, const Binding* b) {
      return order.at(static_cast<uint32_t>(p_.canonical(a->value))) <
             order.at(static_cast<uint32_t>(p_.canonical(b->value)));
    });
    for (const Binding* binding : bindings) {
      const size_t first = axes_.size();
      const Propagation::BindingState& state = p_.bindings().at(p_.canonical(binding->value));
      const auto add = [&](int64_t dim, int64_t groups, const LabelList& labels) {
        axes_.push_back({binding->fqn, binding->value, dim, groups, labels, state.roles[static_cast<size_t>(dim)],
                         state.maskable[static_cast<size_t>(dim)]});
      };
      for (const Block& block : p_.known_blocks(binding->value)) {
        TINYML_CHECK(block.dims.size() == 1);
        add(block.dims[0], 1, block.labels);
      }
      if (state.groups > 1 && state.grouped != nullptr) add(1, state.groups, state.grouped);
      note_pinned(*binding, state, first);
    }
    for (const Axis& axis : axes_) {
      if (axis.role == AxisRole::kProducer) number(axis);
    }
    promote_followers();
  }

  void number(const Axis& axis) {
    for (Label label : *axis.labels) {
      const Label root = p_.labels().find(label);
      if (p_.labels().pinned(root) == nullptr && numbers_.emplace(root, next_).second) ++next_;
    }
  }

  /// Channels that no layer makes (a learned constant's, a weight's that is computed from parameters in an unusual way)
  /// count as made by the first parameters of several dimensions that have them. A buffer's are nobody's to remove.
  void promote_followers() {
    for (Axis& axis : axes_) {
      const Binding* binding = graph_.binding_of(axis.value);
      if (binding == nullptr || binding->kind != BindingKind::kParameter) continue;
      const bool promoted = axis.role == AxisRole::kFollower && axis.groups == 1 && axis.maskable &&
                            analysis::product(p_.sizes(axis.value)) > static_cast<int64_t>(axis.labels->size()) &&
                            std::any_of(axis.labels->begin(), axis.labels->end(), [&](Label label) {
                              const Label root = p_.labels().find(label);
                              return p_.labels().pinned(root) == nullptr && !numbers_.contains(root);
                            });
      if (!promoted) continue;
      axis.role = AxisRole::kProducer;
      number(axis);
    }
  }

  /// The binding's axes are those from `first` on.
  void note_pinned(const Binding& binding, const Propagation::BindingState& state, size_t first) {
    for (size_t dim = 0; dim < state.roles.size(); ++dim) {
      if (state.roles[dim] != AxisRole::kProducer) continue;
      PinnedAxis pinned{binding.fqn, static_cast<int64_t>(dim), 0, binding.data.shape()[dim], {}};
      const analysis::PinReason* reason = nullptr;
      bool found = false;
      for (size_t i = first; i < axes_.size(); ++i) {
        const Axis& axis = axes_[i];
        if (axis.dim != pinned.dim) continue;
        found = true;
        for (Label label : *axis.labels) {
          const analysis::PinReason* own = p_.labels().pinned(label);
          pinned.pinned += own != nullptr ? 1 : 0;
          if (reason == nullptr) reason = own;
        }
      }
      if (!found) pinned.pinned = pinned.size;
      if (const auto& fixed = state.fixed[dim]; !found && fixed) reason = &*fixed;
      if (pinned.pinned == 0) continue;
      pinned.reason.what = reason != nullptr  ? reason->what
                           : pinned.size == 1 ? "it has one channel"
                                              : "it meets a dimension that cannot shrink";
      if (reason != nullptr && reason->node != kNoNode) {
        const Node& node = graph_.node(reason->node);
        pinned.reason.what += fmt::format(" ({})", node.op);
        pinned.reason.module_path = node.module_path();
        pinned.reason.where = node.source();
      }
      result_.pinned.push_back(std::move(pinned));
    }
  }

  UnitList units_of(const LabelList& labels) {
    UnitList& known = lists_[labels.get()];
    if (known != nullptr) return known;
    auto units = std::make_shared<std::vector<UnitId>>();
    units->reserve(labels->size());
    bool any = false;
    for (Label label : *labels) {
      const auto number = numbers_.find(p_.labels().find(label));
      units->push_back(number == numbers_.end() ? kPinnedUnit : number->second);
      any = any || number != numbers_.end();
    }
    known = units;
    if (any) result_.pieces.push_back(known);
    return known;
  }

  static bool is_pinned(const UnitList& units) {
    return std::all_of(units->begin(), units->end(), [](UnitId unit) { return unit == kPinnedUnit; });
  }

  void collect_values() {
    result_.values.resize(graph_.value_limit());
    for (size_t i = 0; i < result_.values.size(); ++i) {
      const ValueId id{static_cast<uint32_t>(i)};
      for (const Block& block : p_.known_blocks(id)) {
        UnitList units = units_of(block.labels);
        if (!is_pinned(units)) result_.values[i].push_back({block.dims, block.shape, std::move(units)});
      }
    }
  }

  void collect_constraints() {
    std::set<std::pair<const void*, int64_t>> seen;
    for (const analysis::Rectangle& rectangle : p_.rectangles()) {
      UnitList units = units_of(rectangle.labels);
      const int64_t row = rectangle.shape.back();
      if (is_pinned(units) || !seen.emplace(units.get(), row).second) continue;
      result_.constraints.push_back({rectangle.shape, std::move(units), rectangle.node});
    }
  }

  void collect_subgraphs() {
    std::vector<size_t> parents(static_cast<size_t>(next_));
    for (size_t i = 0; i < parents.size(); ++i) parents[i] = i;
    const auto find = [&](size_t unit) {
      while (parents[unit] != unit) unit = parents[unit] = parents[parents[unit]];
      return unit;
    };
    const auto unite_all = [&](const UnitList& units) {
      size_t first = SIZE_MAX;
      for (UnitId unit : *units) {
        if (unit == kPinnedUnit) continue;
        if (first == SIZE_MAX) first = find(static_cast<size_t>(unit));
        parents[find(static_cast<size_t>(unit))] = first;
      }
    };
    for (const BindingAxis& axis : result_.axes) {
      if (axis.role == AxisRole::kProducer) unite_all(axis.units);
    }
    for (const EqualCount& constraint : result_.constraints) unite_all(constraint.units);

    result_.subgraph_of_unit.resize(parents.size());
    std::unordered_map<size_t, size_t> index;
    const auto subgraph_of = [&](const UnitList& units) -> Subgraph& {
      const auto unit = std::find_if(units->begin(), units->end(), [](UnitId u) { return u != kPinnedUnit; });
      const auto [entry, is_new] = index.emplace(find(static_cast<size_t>(*unit)), result_.subgraphs.size());
      if (is_new) result_.subgraphs.emplace_back();
      return result_.subgraphs[entry->second];
    };
    for (size_t i = 0; i < result_.axes.size(); ++i) {
      const BindingAxis& axis = result_.axes[i];
      if (axis.role != AxisRole::kProducer) continue;
      Subgraph& subgraph = subgraph_of(axis.units);
      if (subgraph.producers.empty()) subgraph.name = layer_name(axis.fqn);
      subgraph.producers.push_back(i);
    }
    for (size_t unit = 0; unit < parents.size(); ++unit) {
      const size_t at = index.at(find(unit));
      result_.subgraph_of_unit[unit] = at;
      result_.subgraphs[at].units.push_back(static_cast<UnitId>(unit));
    }
    for (size_t i = 0; i < result_.axes.size(); ++i) {
      if (result_.axes[i].role == AxisRole::kProducer) continue;
      std::set<size_t> touched;
      for (UnitId unit : *result_.axes[i].units) {
        if (unit != kPinnedUnit) touched.insert(result_.subgraph_of_unit[static_cast<size_t>(unit)]);
      }
      for (size_t at : touched) result_.subgraphs[at].others.push_back(i);
    }
    for (size_t i = 0; i < result_.constraints.size(); ++i) {
      subgraph_of(result_.constraints[i].units).constraints.push_back(i);
    }
  }

  static std::string layer_name(const std::string& fqn) {
    const size_t dot = fqn.rfind('.');
    return dot == std::string::npos ? fqn : fqn.substr(0, dot);
  }

  const Graph& graph_;
  Propagation& p_;
  DependencyGraph result_;
  std::vector<Axis> axes_;
  std::unordered_map<Label, UnitId> numbers_;
  std::unordered_map<const void*, UnitList> lists_;
  UnitId next_ = 0;
};

}  // namespace

DependencyGraph analyze_dependencies(const Graph& graph, const DependencyOptions& options) {
  Propagation propagation(graph, options);
  run_rules(graph, propagation);
  DependencyGraph result = UnitBuilder(graph, propagation).build();
  result.options = options;
  return result;
}

std::vector<int64_t> kept_sizes(const Graph& graph, const DependencyGraph& dependencies, const std::vector<bool>& kept,
                                ValueId value) {
  std::vector<int64_t> sizes = graph.tensor_type(value).sizes();
  if (const auto grouped = dependencies.grouped.find(value); grouped != dependencies.grouped.end()) {
    // Groups are empty, or keep equally many columns.
    const std::vector<UnitId>& units = *dependencies.axes[grouped->second].units;
    const auto run = static_cast<std::ptrdiff_t>(sizes[1]);
    sizes[1] = 0;
    for (auto begin = units.begin(); begin != units.end() && sizes[1] == 0; begin += run) {
      sizes[1] = std::count_if(begin, begin + run,
                               [&](UnitId unit) { return unit == kPinnedUnit || kept[static_cast<size_t>(unit)]; });
    }
  }
  for (const UnitBlock& block : dependencies.values[index_of(value)]) {
    std::vector<bool> alive(block.units->size());
    for (size_t i = 0; i < alive.size(); ++i) {
      const UnitId unit = (*block.units)[i];
      alive[i] = unit == kPinnedUnit || kept[static_cast<size_t>(unit)];
    }
    // From the innermost dimension outwards: rows are empty, or keep equally many.
    for (size_t dim = block.dims.size(); dim-- > 0;) {
      const auto row = static_cast<size_t>(block.shape[dim]);
      std::vector<bool> rows(alive.size() / row);
      int64_t count = 0;
      for (size_t i = 0; i < rows.size(); ++i) {
        const int64_t own = std::count(alive.begin() + static_cast<std::ptrdiff_t>(i * row),
                                       alive.begin() + static_cast<std::ptrdiff_t>((i + 1) * row), true);
        rows[i] = own > 0;
        if (own == 0) continue;
        if (count != 0 && own != count) {
          throw Error(fmt::format("the channels kept of '{}' do not leave equally many in each group",
                                  graph.value(value).name));
        }
        count = own;
      }
      sizes[static_cast<size_t>(block.dims[dim])] = count;
      alive = std::move(rows);
    }
  }
  return sizes;
}

}  // namespace tinyml
