#include <algorithm>
#include <map>
#include <set>

#include "codegen/cpp_text.h"
#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

[[noreturn]] void refuse(const Node& node, const std::string& what, const std::string& remedy) {
  throw Error(Diagnostic{"Operator '" + node.op + "' " + what, node.module_path(), node.source(), remedy});
}

std::string scalar_text(const Argument& argument, const ValueText& value_text) {
  if (argument.is_value()) return value_text(argument.as_value());
  if (argument.is_bool()) return argument.as_bool() ? "true" : "false";
  if (argument.is_int()) {
    // Of type int64_t where an int would do, so that std::optional<at::Scalar> and SymInt convert alike.
    return argument.as_int() == INT64_MIN ? "std::numeric_limits<int64_t>::min()" : std::to_string(argument.as_int());
  }
  return cpp_double(argument.as_double());
}

std::string item_text(const SchemaType& type, const Argument& argument, const ValueText& value_text) {
  if (argument.is_none()) return "std::nullopt";
  switch (type.kind) {
    case SchemaKind::kTensor:
      return value_text(argument.as_value());
    case SchemaKind::kFloat:
      return argument.is_value() ? value_text(argument.as_value()) : cpp_double(argument.as_double());
    case SchemaKind::kBool:
      return argument.is_value() ? value_text(argument.as_value()) : (argument.as_bool() ? "true" : "false");
    case SchemaKind::kInt:
    case SchemaKind::kComplex:
    case SchemaKind::kScalar:
      return scalar_text(argument, value_text);
    case SchemaKind::kString:
      return string_literal(argument.as_string());
    case SchemaKind::kScalarType:
      return cpp_scalar_type(argument.as_scalar_type());
    case SchemaKind::kLayout:
      if (std::get<Layout>(argument.data) != Layout::kStrided) throw Error("a sparse layout");
      return "torch::kStrided";
    case SchemaKind::kDevice: {
      const std::string device = value_text(kDeviceValue);
      return device.empty() ? "torch::Device(torch::kCPU)" : device;
    }
    case SchemaKind::kMemoryFormat: {
      static constexpr std::string_view names[] = {"Contiguous", "ChannelsLast", "ChannelsLast3d", "Preserve"};
      return "torch::MemoryFormat::" + std::string(names[static_cast<size_t>(std::get<MemoryFormat>(argument.data))]);
    }
    case SchemaKind::kGenerator:
      return "std::nullopt";
  }
  return "";
}

std::string list_type(const SchemaType& type) {
  if (type.kind == SchemaKind::kTensor) {
    return type.optional_items ? "c10::List<std::optional<torch::Tensor>>" : "torch::TensorList";
  }
  if (type.kind == SchemaKind::kInt) return type.symbolic ? "c10::SymIntArrayRef" : "torch::IntArrayRef";
  if (type.kind == SchemaKind::kFloat) return "c10::ArrayRef<double>";
  if (type.kind == SchemaKind::kScalar) return "c10::ArrayRef<at::Scalar>";
  if (type.kind == SchemaKind::kBool) return "c10::ArrayRef<bool>";
  throw Error("a list of a type without a C++ form");
}

std::string braces(const SchemaType& type, const Argument& argument, const ValueText& value_text) {
  std::vector<std::string> items;
  for (const Argument& item : argument.as_list()) items.push_back(item_text(type, item, value_text));
  return "{" + join(items, ", ") + "}";
}

/// Functions and methods that read well and that no other overload can be taken for: "relu" is torch::relu(self),
/// ".view" self.view(size). Trailing arguments with their defaults are left out.
const std::map<std::string, std::string, std::less<>>& short_forms() {
  static const std::map<std::string, std::string, std::less<>> forms = [] {
    std::map<std::string, std::string, std::less<>> result;
    for (const char* name :
         {"relu",        "sigmoid",    "tanh",       "gelu",       "silu",   "mish",  "hardswish", "hardsigmoid",
          "hardtanh",    "leaky_relu", "elu",        "celu",       "selu",   "relu6", "exp",       "log",
          "sqrt",        "rsqrt",      "abs",        "neg",        "sin",    "cos",   "erf",       "floor",
          "ceil",        "round",      "square",     "reciprocal", "matmul", "bmm",   "mm",        "linear",
          "log_sigmoid", "softplus",   "zeros_like", "ones_like",  "prelu",  "glu",   "embedding"}) {
      result[std::string("aten.") + name + ".default"] = name;
    }
    result["aten.softmax.int"] = "softmax";
    result["aten.log_softmax.int"] = "log_softmax";
    result["aten.cat.default"] = "cat";
    result["aten.stack.default"] = "stack";
    result["aten.where.self"] = "where";
    for (const auto& [op, name] : std::map<std::string, std::string>{{"view.default", ".view"},
                                                                     {"reshape.default", ".reshape"},
                                                                     {"permute.default", ".permute"},
                                                                     {"expand.default", ".expand"},
                                                                     {"flatten.using_ints", ".flatten"},
                                                                     {"transpose.int", ".transpose"},
                                                                     {"unsqueeze.default", ".unsqueeze"},
                                                                     {"squeeze.dim", ".squeeze"},
                                                                     {"select.int", ".select"},
                                                                     {"slice.Tensor", ".slice"},
                                                                     {"contiguous.default", ".contiguous"},
                                                                     {"detach.default", ".detach"},
                                                                     {"t.default", ".t"}}) {
      result["aten." + op] = name;
    }
    return result;
  }();
  return forms;
}

std::string infix_text(const Node& node, const ValueText& value_text) {
  static const std::map<std::string, std::string, std::less<>> signs = {
      {"aten.add.Tensor", " + "}, {"aten.sub.Tensor", " - "}, {"aten.mul.Tensor", " * "}, {"aten.div.Tensor", " / "}};
  const auto sign = signs.find(node.op);
  if (sign == signs.end() || !node.arg("self").is_value() || node.arg("other").is_none()) return "";
  if (node.has_arg("alpha") && (!node.arg("alpha").is_int() || node.arg("alpha").as_int() != 1)) return "";
  return value_text(node.arg("self").as_value()) + sign->second + scalar_text(node.arg("other"), value_text);
}

/// Operators on sizes.
std::string number_text(const Node& node, const ValueText& value_text) {
  static const std::map<std::string, std::string, std::less<>> forms = {
      {"_operator.add", "({0} + {1})"},
      {"_operator.sub", "({0} - {1})"},
      {"_operator.mul", "({0} * {1})"},
      {"_operator.truediv", "(static_cast<double>({0}) / {1})"},
      {"_operator.floordiv", "c10::div_floor_integer<int64_t>({0}, {1})"},
      {"_operator.mod", "({0} - c10::div_floor_integer<int64_t>({0}, {1}) * {1})"},
      {"_operator.neg", "(-{0})"},
      {"_operator.eq", "({0} == {1})"},
      {"_operator.ne", "({0} != {1})"},
      {"_operator.lt", "({0} < {1})"},
      {"_operator.le", "({0} <= {1})"},
      {"_operator.gt", "({0} > {1})"},
      {"_operator.ge", "({0} >= {1})"},
      {"_operator.and_", "({0} && {1})"},
      {"_operator.or_", "({0} || {1})"},
      {"_operator.not_", "(!{0})"},
      {"torch.sym_not", "(!{0})"},
      {"torch.sym_max", "std::max<int64_t>({0}, {1})"},
      {"torch.sym_min", "std::min<int64_t>({0}, {1})"},
      {"torch.sym_float", "static_cast<double>({0})"},
      {"torch.sym_int", "static_cast<int64_t>({0})"},
      {"math.trunc", "static_cast<int64_t>({0})"},
      {"math.floor", "static_cast<int64_t>(std::floor({0}))"},
      {"math.ceil", "static_cast<int64_t>(std::ceil({0}))"},
      {"torch._sym_sqrt", "std::sqrt(static_cast<double>({0}))"},
      {"torch.sym_ite", "({0} ? {1} : {2})"},
      {"aten.sym_size.int", "{0}.size({1})"},
      {"aten.sym_numel.default", "{0}.numel()"},
      {"aten.sym_stride.int", "{0}.stride({1})"},
  };
  const auto form = forms.find(node.op);
  if (form == forms.end()) return "";
  std::string text = form->second;
  for (size_t i = 0; i < node.args.size(); ++i) {
    const bool real = node.op == "_operator.floordiv" || node.op == "_operator.mod";
    if (real && node.args[i].value.is_double()) refuse(node, "of fractions has no form in C++ code.", "Use integers.");
    const std::string place = "{" + std::to_string(i) + "}";
    const std::string value = scalar_text(node.args[i].value, value_text);
    for (size_t at = text.find(place); at != std::string::npos; at = text.find(place, at + value.size())) {
      text.replace(at, place.size(), value);
    }
  }
  return text;
}

/// What the module's mode makes of an argument, or "".
std::string mode_text(const Node& node, const NamedArgument& argument, const std::string& value) {
  const bool statistics = argument.name == "use_input_stats" || argument.name == "training" || argument.name == "train";
  if (statistics) {
    if (node.has_arg("running_mean") && node.arg("running_mean").is_none()) return "";
    return "is_training()";
  }
  if (argument.name == "observer_on") return "is_training() ? " + value + " : torch::zeros_like(" + value + ")";
  return "";
}

}  // namespace

std::string cpp_argument(const SchemaType& type, const Argument& argument, const ValueText& value_text) {
  if (argument.is_none()) return "std::nullopt";
  if (!type.list || argument.is_value()) return item_text(type, argument, value_text);
  return list_type(type) + braces(type, argument, value_text);
}

std::string cpp_node_text(const Node& node, const ValueText& value_text) {
  if (node.op == "aten._assert_tensor_metadata.default") return "";
  if (std::string text = number_text(node, value_text); !text.empty()) return text;
  if (std::string text = infix_text(node, value_text); !text.empty()) return text;
  const std::vector<std::string> parts = split(node.op, '.');
  const OpSchema* schema = find_schema(node.op);
  if (schema == nullptr || parts.size() != 3 || parts[0] != "aten") {
    const bool region = node.op.starts_with("higher_order");
    refuse(node, "has no form in C++ code.",
           region ? "Move the control flow out of the model, or run it as a tinyml::train::GraphModule."
                  : "Write it with torch's own operators, or run the model as a tinyml::train::GraphModule.");
  }
  const auto short_form = short_forms().find(node.op);
  size_t needed = node.args.size();
  while (needed > 1 && is_default(schema->arguments[needed - 1], node.args[needed - 1].value)) --needed;
  // Functions take the type and device of what they make in one argument.
  const bool has_options = parts[1].ends_with("_like") && needed > 1;
  const bool is_short = short_form != short_forms().end() && !has_options;
  const size_t count = is_short ? needed : node.args.size();
  std::vector<std::string> arguments;
  for (size_t i = 0; i < count; ++i) {
    const SchemaType& type = schema->arguments[i].type;
    const NamedArgument& argument = node.args[i];
    std::string value;
    try {
      value = is_short && type.list && argument.value.is_list() && !type.optional
                  ? braces(type, argument.value, value_text)
                  : cpp_argument(type, argument.value, value_text);
    } catch (const Error& error) {
      refuse(node, "has no form in C++ code: its argument '" + argument.name + "' is " + error.diagnostics()[0].what,
             "Run the model as a tinyml::train::GraphModule.");
    }
    const std::string mode = mode_text(node, argument, value);
    arguments.push_back(mode.empty() ? value : mode);
  }
  if (!is_short) {
    const std::string overload = parts[2] == "default" ? "" : "_" + parts[2];
    return "at::_ops::" + parts[1] + overload + "::call(" + join(arguments, ", ") + ")";
  }
  if (!short_form->second.starts_with(".")) return "torch::" + short_form->second + "(" + join(arguments, ", ") + ")";
  const std::string self = arguments.front();
  arguments.erase(arguments.begin());
  return self + short_form->second + "(" + join(arguments, ", ") + ")";
}

}  // namespace tinyml::codegen
