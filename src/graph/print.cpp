#include "graph/print.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

constexpr std::array<std::string_view, 4> kMemoryFormats{"contiguous_format", "channels_last", "channels_last_3d",
                                                         "preserve_format"};

struct ArgumentPrinter {
  const Graph& graph;

  std::string operator()(std::monostate) const { return "None"; }
  std::string operator()(ValueId id) const { return "%" + graph.value(id).name; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    const std::string text = fmt::format("{}", value);
    return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
  }
  std::string operator()(bool value) const { return value ? "True" : "False"; }
  std::string operator()(const std::string& value) const { return "'" + value + "'"; }
  std::string operator()(ScalarType type) const { return std::string(name_of(type)); }
  std::string operator()(MemoryFormat format) const {
    return std::string(kMemoryFormats.at(static_cast<size_t>(format)));
  }
  std::string operator()(Layout layout) const { return layout == Layout::kStrided ? "strided" : "other_layout"; }
  std::string operator()(const Device& device) const {
    return device.index ? fmt::format("'{}:{}'", device.type, *device.index) : "'" + device.type + "'";
  }
  std::string operator()(const Argument::List& list) const {
    std::string text = "[";
    for (const Argument& item : list) text += (text.size() > 1 ? ", " : "") + print_argument(graph, item);
    return text + "]";
  }
  std::string operator()(const std::shared_ptr<const Graph>& body) const {
    return fmt::format("graph of {} operators", body->node_count());
  }
};

std::string print_result(const Graph& graph, ValueId id) {
  return id == kNoValue ? "_" : fmt::format("%{}: {}", graph.value(id).name, print_type(graph, id));
}

std::string indented(const std::string& text) {
  std::string result;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size() - 1);
    result += "    " + text.substr(start, end - start + 1);
    start = end + 1;
  }
  return result;
}

std::string print_output(const Graph& graph, const Output& output) {
  const std::string value = print_argument(graph, output.value);
  switch (output.kind) {
    case OutputKind::kUser:
      return value;
    case OutputKind::kLoss:
      return "loss=" + value;
    case OutputKind::kBufferMutation:
    case OutputKind::kParameterMutation:
    case OutputKind::kInputMutation:
      break;
  }
  return fmt::format("{} -> '{}'", value, output.target);
}

}  // namespace

std::string print_argument(const Graph& graph, const Argument& argument) {
  return std::visit(ArgumentPrinter{graph}, argument.data);
}

std::string print_type(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (value.kind != ValueKind::kTensor) return value.symbol ? fmt::format("Sym({})", value.symbol->to_string()) : "Sym";
  std::string text(name_of(value.tensor.type));
  text += '[';
  for (size_t i = 0; i < value.tensor.shape.size(); ++i)
    text += (i > 0 ? ", " : "") + value.tensor.shape[i].to_string();
  return text + "]";
}

std::string print_call(const Graph& graph, const Node& node) {
  const OpSchema* schema = find_schema(node.op);
  std::string text = node.op + "(";
  bool first = true;
  for (size_t i = 0; i < node.args.size(); ++i) {
    const NamedArgument& arg = node.args[i];
    if (schema != nullptr && i < schema->arguments.size() && is_default(schema->arguments[i], arg.value)) continue;
    if (!first) text += ", ";
    first = false;
    if (!arg.name.empty()) text += arg.name + "=";
    text += print_argument(graph, arg.value);
  }
  return text + ")";
}

std::string to_string(const Graph& graph) {
  std::string text = "graph(\n";
  for (const Binding& binding : graph.bindings()) {
    const char* kind = binding.kind == BindingKind::kParameter ? "parameter"
                       : binding.kind == BindingKind::kBuffer  ? "buffer"
                                                               : "constant";
    text += fmt::format("    {} = {} '{}'\n", print_result(graph, binding.value), kind, binding.fqn);
  }
  for (const Input& input : graph.inputs()) {
    text += input.value == kNoValue
                ? fmt::format("    {} = {} = input\n", input.name, print_argument(graph, input.constant))
                : fmt::format("    {} = input\n", print_result(graph, input.value));
  }
  text += "):\n";
  for (NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    std::string results;
    for (ValueId output : node.outputs) results += (results.empty() ? "" : ", ") + print_result(graph, output);
    if (!results.empty()) results += " = ";
    text += fmt::format("    {}{}", results, print_call(graph, node));
    if (!node.module_path().empty()) text += "  # " + node.module_path();
    text += '\n';
    for (const NamedArgument& arg : node.args) {
      if (const auto* body = std::get_if<std::shared_ptr<const Graph>>(&arg.value.data)) {
        text += indented(indented(to_string(**body)));
      }
    }
  }
  text += "    return (";
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    text += (i > 0 ? ", " : "") + print_output(graph, graph.outputs()[i]);
  }
  return text + ")\n";
}

}  // namespace tinyml
