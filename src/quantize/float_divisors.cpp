#include "quantize/float_divisors.h"

#include <algorithm>

#include "quantize/module_names.h"

namespace tinyml::quantization {
namespace {

/// The argument that the node divides by, nullptr when it divides by none.
const Argument* divisor_of(const Node& node) {
  const std::string name = base_name(node.op);
  if (name == "div" || name == "true_divide") return &node.arg("other");
  if (name == "reciprocal" || name == "rsqrt") return &node.arg("self");
  if (name == "pow" && node.arg("exponent").is_number() && node.arg("exponent").as_double() < 0)
    return &node.arg("self");
  return nullptr;
}

bool divides_by(const Node& node, ValueId value) {
  const Argument* divisor = divisor_of(node);
  if (divisor == nullptr || !divisor->is_value() || divisor->as_value() != value) return false;
  size_t reads = 0;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId read) { reads += read == value ? 1 : 0; });
  }
  return reads == 1;
}

bool can_stay_float(const Graph& graph, NodeId id, const TieRule& rule) {
  if (rule.tie == Tie::kLayer || rule.tie == Tie::kConcat || rule.tie == Tie::kLookup) return false;
  return !graph.node(id).op.starts_with("aten.batch_norm");
}

/// An activation of an operator on integers costs nothing there.
bool is_part_of_integers(const Graph& graph, const std::set<NodeId>& in_float, NodeId id) {
  const Node& node = graph.node(id);
  if (!is_fusable_activation(node)) return false;
  const NodeId producer = graph.value(node.args[0].value.as_value()).producer;
  if (producer == kNoNode || in_float.contains(producer)) return false;
  const TieRule* rule = find_tie_rule(graph.node(producer).op);
  return rule != nullptr && rule->fuses_activation;
}

}  // namespace

std::set<NodeId> find_float_divisors(const Graph& graph, const std::map<NodeId, TieRule>& rules,
                                     const std::vector<bool>& is_dynamic) {
  std::set<NodeId> found;
  const std::vector<NodeId> nodes = graph.nodes();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    const auto rule = rules.find(*it);
    if (rule == rules.end() || !can_stay_float(graph, *it, rule->second)) continue;
    const std::vector<ValueId>& outputs = graph.node(*it).outputs;
    const bool for_divisors = std::all_of(outputs.begin(), outputs.end(), [&](ValueId value) {
      if (value == kNoValue || !is_dynamic[index_of(value)]) return true;
      const std::vector<NodeId>& users = graph.value(value).users;
      return !graph.is_output(value) && !users.empty() && std::all_of(users.begin(), users.end(), [&](NodeId user) {
        return found.contains(user) || divides_by(graph.node(user), value);
      });
    });
    if (for_divisors) found.insert(*it);
  }
  std::erase_if(found, [&](NodeId id) { return is_part_of_integers(graph, found, id); });
  return found;
}

}  // namespace tinyml::quantization
