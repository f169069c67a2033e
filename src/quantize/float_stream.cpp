#include "quantize/float_stream.h"

#include <algorithm>

namespace tinyml::quantization {
namespace {

class StreamFinder {
 public:
  StreamFinder(const Graph& graph, const std::map<NodeId, TieRule>& rules, const std::vector<bool>& is_dynamic)
      : graph_(graph), rules_(rules), is_dynamic_(is_dynamic) {}

  std::set<NodeId> find() {
    for (const auto& [id, rule] : rules_) {
      if (rule.tie == Tie::kFloat && rule.ends_float_stream) pend_inputs(id);
    }
    while (!pending_.empty()) {
      const NodeId id = pending_.back();
      pending_.pop_back();
      if (!visited_.insert(id).second || !belongs(id)) continue;
      if (!moves(id)) stream_.insert(id);
      pend_inputs(id);
    }
    drop_tables();
    return std::move(stream_);
  }

 private:
  const TieRule* rule(NodeId id) const {
    const auto found = rules_.find(id);
    return found == rules_.end() ? nullptr : &found->second;
  }
  bool moves(NodeId id) const { return rule(id)->tie == Tie::kMove; }

  std::vector<ValueId> inputs(NodeId id) const {
    std::vector<ValueId> values;
    for (const NamedArgument& arg : graph_.node(id).args) {
      arg.value.for_each_value([&](ValueId value) {
        if (is_dynamic_[index_of(value)]) values.push_back(value);
      });
    }
    return values;
  }

  void pend_inputs(NodeId id) {
    for (const ValueId value : inputs(id)) {
      const NodeId producer = graph_.value(value).producer;
      if (producer != kNoNode && rule(producer) != nullptr) pending_.push_back(producer);
    }
  }

  bool belongs(NodeId id) const {
    const TieRule& found = *rule(id);
    if (moves(id)) return true;
    if (found.tie != Tie::kCompute && found.tie != Tie::kFixed && found.tie != Tie::kConcat) return false;
    if (graph_.node(id).op.starts_with("aten.batch_norm") || is_part_of_layer(id)) return false;
    for (const ValueId output : graph_.node(id).outputs) {
      if (is_read_by_layer(output)) return false;
    }
    return true;
  }

  bool is_part_of_layer(NodeId id) const {
    if (!is_fusable_activation(graph_.node(id))) return false;
    const std::vector<ValueId> read = inputs(id);
    return read.size() == 1 && graph_.value(read[0]).producer != kNoNode && is_layer(graph_.value(read[0]).producer);
  }

  bool is_layer(NodeId id) const {
    return rule(id) != nullptr && (rule(id)->tie == Tie::kLayer || graph_.node(id).op.starts_with("aten.batch_norm"));
  }

  bool is_read_by_layer(ValueId value) const {
    const std::vector<NodeId>& users = graph_.value(value).users;
    return std::any_of(users.begin(), users.end(), [&](NodeId user) {
      if (is_layer(user)) return true;
      if (rule(user) == nullptr || !moves(user)) return false;
      const std::vector<ValueId>& outputs = graph_.node(user).outputs;
      return std::any_of(outputs.begin(), outputs.end(),
                         [&](ValueId v) { return v != kNoValue && is_read_by_layer(v); });
    });
  }

  /// Whether the value is computed in float, if only moved since.
  bool is_float(ValueId value) const {
    for (;;) {
      const NodeId producer = graph_.value(value).producer;
      if (producer == kNoNode || rule(producer) == nullptr) return false;
      const Tie tie = rule(producer)->tie;
      if (!moves(producer)) return tie == Tie::kFloat || tie == Tie::kLookup || stream_.contains(producer);
      value = inputs(producer).at(0);
    }
  }

  /// Functions of one tensor that has integers anyway are better computed on these.
  void drop_tables() {
    for (bool changed = true; changed;) {
      changed = false;
      for (auto it = stream_.begin(); it != stream_.end();) {
        const bool unary = rule(*it)->tie != Tie::kConcat && rule(*it)->data_args == 1;
        const std::vector<ValueId> read = inputs(*it);
        const bool drop = unary && std::none_of(read.begin(), read.end(), [&](ValueId v) { return is_float(v); });
        it = drop ? stream_.erase(it) : std::next(it);
        changed = changed || drop;
      }
    }
  }

  const Graph& graph_;
  const std::map<NodeId, TieRule>& rules_;
  const std::vector<bool>& is_dynamic_;
  std::vector<NodeId> pending_;
  std::set<NodeId> visited_;
  std::set<NodeId> stream_;
};

}  // namespace

std::set<NodeId> find_float_stream(const Graph& graph, const std::map<NodeId, TieRule>& rules,
                                   const std::vector<bool>& is_dynamic) {
  return StreamFinder(graph, rules, is_dynamic).find();
}

}  // namespace tinyml::quantization
