#include "quantize/fake_quant_behind.h"

#include <map>

#include "graph/node_notes.h"
#include "quantize/insert_fake_quant.h"
#include "quantize/tie_rules.h"

namespace tinyml::quantization {
namespace {

bool same_scale(const Node& a, const Node& b) {
  const auto agrees = [&](const char* name) { return a.arg(name) == b.arg(name); };
  return &a == &b || (!a.has_arg("axis") && !b.has_arg("axis") && agrees("scale") && agrees("zero_point"));
}

constexpr int kMostNested = 64;  // Concatenations of concatenations; recursion has to end somewhere.

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph) {}

  const Node* find(ValueId value, int depth = 0) {
    for (;;) {
      const NodeId producer = graph_.value(value).producer;
      if (producer == kNoNode) return nullptr;
      const Node& node = graph_.node(producer);
      if (is_fake_quantize(node)) return &node;
      const Tie tie = tie_rule(graph_, node).tie;
      if (tie == Tie::kConcat && depth < kMostNested) return of_concatenation(node, depth + 1);
      if (tie != Tie::kMove || !node.args.at(0).value.is_value()) return nullptr;
      value = node.args[0].value.as_value();
    }
  }

 private:
  const Node* of_concatenation(const Node& node, int depth) {
    const auto [place, inserted] = found_.try_emplace(node.output(), nullptr);
    if (!inserted || !node.args.at(0).value.is_list()) return place->second;
    const Node* common = nullptr;
    for (const Argument& part : node.args[0].value.as_list()) {
      const Node* own = part.is_value() ? find(part.as_value(), depth) : nullptr;
      if (own == nullptr || (common != nullptr && !same_scale(*own, *common))) return nullptr;
      common = own;
    }
    return found_[node.output()] = common;
  }

  const Graph& graph_;
  std::map<ValueId, const Node*> found_;
};

}  // namespace

const Node* fake_quant_behind(const Graph& graph, ValueId value) { return Finder(graph).find(value); }

std::vector<double> scales_of(const Graph& graph, const Node& fake_quant) {
  const Argument& scale = fake_quant.arg("scale");
  if (scale.is_number()) return {scale.as_double()};
  return constant_value(graph, scale.as_value()).to_doubles();
}

}  // namespace tinyml::quantization
