#include "graph/inline_body.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

bool is_conversion(std::string_view op) {
  return op.substr(0, 8) == "aten.to." || op.substr(0, 13) == "aten._to_copy" || op == "aten.type_as.default";
}

class Inliner {
 public:
  Inliner(Graph& graph, NodeId region, const Graph& body, std::optional<std::string> autocast_device)
      : graph_(graph), region_(region), body_(body), autocast_device_(std::move(autocast_device)) {}

  void run(std::span<const Argument> operands) {
    const std::vector<ValueId> outputs = graph_.node(region_).outputs;
    if (operands.size() != body_.inputs().size() || body_.outputs().size() != outputs.size()) malformed();
    for (size_t i = 0; i < operands.size(); ++i) {
      const ValueId inner = body_.inputs()[i].value;
      if (inner != kNoValue) values_[inner] = operands[i];
    }
    for (const Binding& binding : body_.bindings()) values_[binding.value] = bound(binding);
    for (NodeId id : body_.nodes()) copy_node(body_.node(id));
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] == kNoValue) continue;
      const Argument result = translate(body_.outputs()[i].value);
      if (!result.is_value()) malformed();
      graph_.replace_all_uses(outputs[i], result.as_value());
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

  /// A weight of the body; one that the graph has already is shared.
  ValueId bound(const Binding& binding) {
    std::string name = binding.fqn;
    for (int suffix = 1;; ++suffix) {
      const Binding* own = graph_.find_binding(name);
      if (own == nullptr) return graph_.add_binding(binding.kind, name, binding.data);
      if (own->data.defined() && binding.data.defined() && own->data.bytes() == binding.data.bytes()) return own->value;
      name = binding.fqn + "_" + std::to_string(suffix);
    }
  }

  void copy_node(const Node& original) {
    Node node = original;
    for (NamedArgument& arg : node.args) arg.value = translate(arg.value);
    if (autocast_device_) insert_casts(original, node);
    for (ValueId& output : node.outputs) {
      if (output == kNoValue) continue;
      const ValueId inner = output;
      output = graph_.add_value(body_.value(inner));
      values_[inner] = output;
    }
    graph_.add_node(std::move(node), region_);
  }

  /// Converts floating-point arguments to the type of the result: autocast did so at run time, else the result would be
  /// of the arguments' type.
  void insert_casts(const Node& original, Node& node) {
    if (is_conversion(node.op) || original.outputs.empty() || original.outputs[0] == kNoValue) return;
    const TensorType& result = body_.tensor_type(original.outputs[0]);
    if (body_.value(original.outputs[0]).kind != ValueKind::kTensor || !is_floating_point(result.type)) return;
    if (result.device.type != *autocast_device_) return;
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
  const Graph& body_;
  std::optional<std::string> autocast_device_;
  std::map<ValueId, Argument> values_;  ///< Of the body -> of the graph.
  std::map<std::pair<ValueId, ScalarType>, ValueId> converted_;
};

}  // namespace

void inline_body(Graph& graph, NodeId region, const Graph& body, std::span<const Argument> operands,
                 std::optional<std::string> autocast_device) {
  Inliner(graph, region, body, std::move(autocast_device)).run(operands);
}

}  // namespace tinyml
