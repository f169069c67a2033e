#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/inline_body.h"
#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

constexpr std::string_view kSetGrad = "higher_order.wrap_with_set_grad_enabled";
constexpr std::string_view kAutocast = "higher_order.wrap_with_autocast";

void inline_region(Graph& graph, NodeId id) {
  const Node& region = graph.node(id);
  const size_t index = region.op == kAutocast ? 4 : 1;  // where the body stands; its inputs follow
  if (region.args.size() <= index || !region.args[index].value.is_graph()) {
    throw Error({fmt::format("{} does not have the arguments that its body expects", region.op), region.module_path(),
                 region.source(), "export the model again"});
  }
  const auto body = std::get<std::shared_ptr<const Graph>>(region.args[index].value.data);
  std::vector<Argument> operands;
  for (size_t i = index + 1; i < region.args.size(); ++i) operands.push_back(region.args[i].value);
  std::optional<std::string> device;
  if (region.op == kAutocast && region.args[2].value.as_bool()) device = region.args[0].value.as_string();
  inline_body(graph, id, *body, operands, std::move(device));
}

}  // namespace

Graph inline_regions(Graph graph) {
  // A body may hold regions: its nodes are inserted before the region, so the walk goes on with the first of them.
  for (NodeId id = graph.first_node(); id != kNoNode;) {
    const std::string& op = graph.node(id).op;
    if (op != kSetGrad && op != kAutocast) {
      id = graph.next_node(id);
      continue;
    }
    const NodeId previous = graph.previous_node(id);
    inline_region(graph, id);
    id = previous == kNoNode ? graph.first_node() : graph.next_node(previous);
  }
  return graph;
}

}  // namespace tinyml
