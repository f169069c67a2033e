#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

constexpr std::string_view kSetGrad = "higher_order.wrap_with_set_grad_enabled";
constexpr std::string_view kAutocast = "higher_order.wrap_with_autocast";

/// Where the body stands among a region's arguments; its own inputs follow.
size_t body_index(std::string_view op) { return op == kAutocast ? 4 : 1; }

bool is_conversion(std::string_view op) {
  return op.substr(0, 8) == "aten.to." || op.substr(0, 13) == "aten._to_copy" || op == "aten.type_as.default";
}

class Inliner {
 public:
  Inliner(Graph& graph, NodeId region) : graph_(graph), region_(region) {}

  void run() {
    const Node& region = graph_.node(region_);
    const size_t index = body_index(region.op);
    if (region.args.size() <= index || !region.args[index].value.is_graph()) malformed();
    const auto body = std::get<std::shared_ptr<const Graph>>(region.args[index].value.data);
    if (region.args.size() != index + 1 + body->inputs().size() || body->outputs().size() != region.outputs.size())
      malformed();
    casts_ = region.op == kAutocast && region.args[2].value.as_bool();
    device_ = region.op == kAutocast ? region.args[0].value.as_string() : "";
    for (size_t i = 0; i < body->inputs().size(); ++i) {
      const ValueId inner = body->inputs()[i].value;
      if (inner != kNoValue) values_[inner] = region.args[index + 1 + i].value;
    }
    for (NodeId id : body->nodes()) copy_node(*body, body->node(id));
    for (size_t i = 0; i < region.outputs.size(); ++i) {
      if (region.outputs[i] == kNoValue) continue;
      const Argument result = translate(body->outputs()[i].value);
      if (!result.is_value()) malformed();
      graph_.replace_all_uses(region.outputs[i], result.as_value());
    }
    graph_.erase_node(region_);
  }

 private:
  [[noreturn]] void malformed() const {
    const Node& region = graph_.node(region_);
    throw Error({fmt::format("{} does not have the arguments that its body expects", region.op), region.module_path(),
                 region.source(), "export the model again"});
  }

  Argument translate(const Argument& argument) const {
    if (argument.is_value()) return values_.at(argument.as_value());
    if (!argument.is_list()) return argument;
    Argument::List items;
    for (const Argument& item : argument.as_list()) items.push_back(translate(item));
    return items;
  }

  void copy_node(const Graph& body, const Node& original) {
    Node node = original;
    for (NamedArgument& arg : node.args) arg.value = translate(arg.value);
    if (casts_) insert_casts(body, original, node);
    for (ValueId& output : node.outputs) {
      if (output == kNoValue) continue;
      const ValueId inner = output;
      output = graph_.add_value(body.value(inner));
      values_[inner] = output;
    }
    graph_.add_node(std::move(node), region_);
  }

  /// Converts floating-point arguments to the type of the result: autocast did so at run time, else the result would be
  /// of the arguments' type.
  void insert_casts(const Graph& body, const Node& original, Node& node) {
    if (is_conversion(node.op) || original.outputs.empty() || original.outputs[0] == kNoValue) return;
    const TensorType& result = body.tensor_type(original.outputs[0]);
    if (body.value(original.outputs[0]).kind != ValueKind::kTensor || !is_floating_point(result.type)) return;
    if (result.device.type != device_) return;
    for (NamedArgument& arg : node.args) cast(arg.value, result.type);
  }

  void cast(Argument& argument, ScalarType type) {
    if (auto* list = std::get_if<Argument::List>(&argument.data)) {
      for (Argument& item : *list) cast(item, type);
      return;
    }
    if (!argument.is_value()) return;
    const Value& value = graph_.value(argument.as_value());
    if (value.kind != ValueKind::kTensor || !is_floating_point(value.tensor.type) || value.tensor.type == type) return;
    const auto [cached, inserted] = converted_.try_emplace({argument.as_value(), type}, kNoValue);
    if (inserted) {
      TensorType converted = value.tensor;
      converted.type = type;
      cached->second =
          graph_.add_operator("aten.to.dtype", make_args("aten.to.dtype", {{"self", argument}, {"dtype", type}}),
                              converted, region_, region_);
    }
    argument = cached->second;
  }

  Graph& graph_;
  NodeId region_;
  bool casts_ = false;
  std::string device_;
  std::map<ValueId, Argument> values_;  ///< Of the body -> of the graph.
  std::map<std::pair<ValueId, ScalarType>, ValueId> converted_;
};

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
    Inliner(graph, id).run();
    id = previous == kNoNode ? graph.first_node() : graph.next_node(previous);
  }
  return graph;
}

}  // namespace tinyml
