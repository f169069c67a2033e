#include "quantize/mask_margin.h"

#include <algorithm>

#include "quantize/module_names.h"
#include "quantize/tie_rules.h"

namespace tinyml::quantization {
namespace {

constexpr double kOfScores = 16.0;
constexpr double kOfTerm = 128.0;

/// For one reader of a score or term.
double margin_at(const Graph& graph, NodeId reader) {
  const Node& node = graph.node(reader);
  const std::string name = base_name(node.op);
  if (name == "softmax" || name == "_softmax") return kOfScores;
  const TieRule* rule = find_tie_rule(node.op);
  const bool moves = rule != nullptr && rule->tie == Tie::kMove;
  if (name != "add" && !moves) return 0.0;
  double margin = 0.0;
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    const double found = mask_margin(graph, output);
    if (found == 0.0) return 0.0;
    margin = std::max(margin, found);
  }
  return name == "add" && margin != 0.0 ? kOfTerm : margin;
}

}  // namespace

double mask_margin(const Graph& graph, ValueId value) {
  if (graph.is_output(value)) return 0.0;
  double margin = 0.0;
  for (const NodeId user : graph.value(value).users) {
    const double found = margin_at(graph, user);
    if (found == 0.0) return 0.0;
    margin = std::max(margin, found);
  }
  return margin;
}

}  // namespace tinyml::quantization
