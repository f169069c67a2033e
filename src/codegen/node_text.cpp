#include "codegen/node_text.h"

#include <algorithm>
#include <map>
#include <optional>

#include "codegen/call_text.h"
#include "codegen/interpolate.h"
#include "tinyml/schema.h"

namespace tinyml::codegen {
namespace {

using TemplateTable = std::multimap<std::string_view, std::string_view>;

const TemplateTable& templates() {
  static const TemplateTable table = [] {
    TemplateTable result;
    for (const auto& span : {math_templates(), nn_templates(), shape_templates()}) {
      for (const OpTemplate& entry : span) result.emplace(entry.op, entry.text);
    }
    return result;
  }();
  return table;
}

[[noreturn]] void refuse(const Node& node, const std::string& what, const std::string& remedy) {
  throw Error(Diagnostic{what, node.module_path(), node.source(), remedy});
}

/// Always right: the operator itself, its tensors first and everything else by name.
std::string operator_call(const Node& node, const ValueText& value_text) {
  const std::vector<std::string> parts = split(node.op, '.');
  if (parts.size() < 2 || node.op.starts_with("higher_order")) {
    refuse(node, "Operator '" + node.op + "' has no form in generated code.",
           "Move the control flow out of the model, or keep the model as a .pt2 archive.");
  }
  CallText call;
  call.callee = "torch.ops." + node.op;
  const OpSchema* schema = find_schema(node.op);
  bool leading = true;
  for (const NamedArgument& argument : node.args) {
    leading = leading && argument.value.is_value();
    const std::string value = argument_text(argument.value, value_text);
    if (leading || argument.name.empty()) {
      call.positional(argument.name, value);
      continue;
    }
    const size_t declared = schema == nullptr ? 0 : schema->find(argument.name);
    if (schema != nullptr && declared < schema->arguments.size() && argument.name != "train" &&
        is_default(schema->arguments[declared], argument.value)) {
      continue;
    }
    // What an operator does while training is the module's mode, as in the templates.
    call.keyword(argument.name, argument.name == "train" ? "self.training" : value, "");
  }
  return to_string(call);
}

/// The node with every device replaced: generated code makes new tensors where the input is.
std::optional<Node> with_open_device(const Node& node, const ValueText& value_text) {
  const bool any = std::any_of(node.args.begin(), node.args.end(), [](const NamedArgument& argument) {
    return std::holds_alternative<Device>(argument.value.data);
  });
  if (!any) return std::nullopt;
  Node copy = node;
  const bool known = !value_text(kDeviceValue).empty();
  for (NamedArgument& argument : copy.args) {
    if (std::holds_alternative<Device>(argument.value.data))
      argument.value = known ? Argument(kDeviceValue) : Argument();
  }
  return copy;
}

}  // namespace

std::string node_text(const Graph& graph, const Node& original, const ValueText& value_text) {
  const std::optional<Node> open = with_open_device(original, value_text);
  const Node& node = open ? *open : original;
  if (std::string text = shape_node_text(graph, node, value_text); !text.empty()) return text;
  if (auto call = interpolate_call(node, "F.interpolate", value_text)) {
    call->arguments.insert(call->arguments.begin(),
                           {"input", value_text(node.arg("input").as_value()), ArgumentStyle::kPositional, ""});
    return to_string(*call);
  }
  const auto [begin, end] = templates().equal_range(node.op);
  for (auto entry = begin; entry != end; ++entry) {
    const std::string_view text = entry->second;
    if (text.find('(') == std::string_view::npos) {
      if (auto infix = apply_infix(text, node, value_text)) return *infix;
    } else if (auto call = apply_template(text, node, value_text)) {
      return to_string(*call);
    }
  }
  return operator_call(node, value_text);
}

}  // namespace tinyml::codegen
