#include <map>

#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

/// x[:, :, <last>] for a dimension counted from the front; "..." for one counted from the back.
std::string subscript(const std::string& self, int64_t dim, const std::string& last) {
  std::string text = self + "[";
  if (dim < 0) {
    text += "..., " + last;
    for (int64_t i = dim + 1; i < 0; ++i) text += ", :";
  } else {
    for (int64_t i = 0; i < dim; ++i) text += ":, ";
    text += last;
  }
  return text + "]";
}

std::string slice_text(const Node& node, const ValueText& value_text) {
  const auto bound = [&](const char* name, bool is_default) {
    return is_default ? std::string() : argument_text(node.arg(name), value_text);
  };
  const Argument& start = node.arg("start");
  const Argument& end = node.arg("end");
  const Argument& step = node.arg("step");
  std::string range = bound("start", start.is_none() || (start.is_int() && start.as_int() == 0));
  range += ":" + bound("end", end.is_none() || (end.is_int() && end.as_int() == INT64_MAX));
  if (!step.is_int() || step.as_int() != 1) range += ":" + argument_text(step, value_text);
  return subscript(value_text(node.arg("self").as_value()), node.arg("dim").as_int(), range);
}

std::string index_text(const Node& node, const ValueText& value_text) {
  std::vector<std::string> items;
  for (const Argument& item : node.arg("indices").as_list()) {
    const bool absent = item.is_none() || (item.is_value() && item.as_value() == kNoValue);
    items.push_back(absent ? ":" : argument_text(item, value_text));
  }
  return value_text(node.arg("self").as_value()) + "[" + join(items, ", ") + "]";
}

/// Python's own operators, which torch.export applies to sizes.
std::string python_operator_text(const Node& node, const ValueText& value_text) {
  static const std::map<std::string, std::string, std::less<>> symbols = {
      {"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"floordiv", "//"}, {"truediv", "/"}, {"mod", "%"}, {"pow", "**"},
      {"eq", "=="}, {"ne", "!="}, {"lt", "<"},  {"le", "<="},       {"gt", ">"},      {"ge", ">="},
  };
  const std::string name = split(node.op, '.').back();
  std::vector<std::string> operands;
  for (const NamedArgument& argument : node.args) operands.push_back(argument_text(argument.value, value_text));
  if (name == "neg" && operands.size() == 1) return "-" + operands[0];
  const auto symbol = symbols.find(name);
  if (symbol != symbols.end() && operands.size() == 2) return operands[0] + " " + symbol->second + " " + operands[1];
  return "";
}

}  // namespace

std::string shape_node_text(const Graph& graph, const Node& node, const ValueText& value_text) {
  if (node.op == "aten.view.default" || node.op == "aten.reshape.default" || node.op == "aten._unsafe_view.default") {
    return reshape_text(graph, node, value_text);
  }
  if (node.op == "aten.slice.Tensor") return slice_text(node, value_text);
  if (node.op == "aten.index.Tensor") return index_text(node, value_text);
  if (node.op == "aten.select.int") {
    return subscript(value_text(node.arg("self").as_value()), node.arg("dim").as_int(),
                     argument_text(node.arg("index"), value_text));
  }
  if (node.op == "aten.permute.default" && node.arg("dims").is_int_list()) {
    std::vector<std::string> dims;
    for (const int64_t dim : node.arg("dims").as_ints()) dims.push_back(std::to_string(dim));
    return value_text(node.arg("self").as_value()) + ".permute(" + join(dims, ", ") + ")";
  }
  if (node.op.starts_with("_operator.")) return python_operator_text(node, value_text);
  if (node.op.starts_with("torch.sym_") || node.op.starts_with("math.")) {
    std::vector<std::string> operands;
    for (const NamedArgument& argument : node.args) operands.push_back(argument_text(argument.value, value_text));
    return node.op + "(" + join(operands, ", ") + ")";
  }
  return "";
}

}  // namespace tinyml::codegen
