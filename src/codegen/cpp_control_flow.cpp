#include "codegen/cpp_control_flow.h"

#include <algorithm>
#include <map>
#include <memory>

#include "codegen/control_flow_text.h"
#include "codegen/cpp_text.h"
#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

constexpr std::string_view kCond = "higher_order.cond";
constexpr std::string_view kTensors = "std::vector<torch::Tensor>";

std::string unique(const std::string& wish, std::set<std::string>& taken) {
  std::string name = wish;
  for (int suffix = 1; !taken.insert(name).second; ++suffix) name = wish + "_" + std::to_string(suffix);
  return name;
}

[[noreturn]] void refuse(const Node& node, const std::string& what) {
  throw Error(Diagnostic{"Operator '" + node.op + "' " + what, node.module_path(), node.source(),
                         "Move the control flow out of the model, or run it as a tinyml::train::GraphModule."});
}

/// `const auto name = [&](parameters) -> type { statements };` as lines.
class LambdaWriter {
 public:
  LambdaWriter(const Node& owner, const Graph& body, const std::set<std::string>& outside)
      : owner_(owner), body_(body), taken_(outside) {}

  std::vector<std::string> write(const std::string& name, bool is_condition) {
    std::vector<std::string> parameters;
    for (const Input& input : body_.inputs()) {
      if (input.value == kNoValue) continue;
      const std::string own = unique(cpp_name(to_identifier(input.name)), taken_);
      names_[input.value] = own;
      parameters.push_back("[[maybe_unused]] " + cpp_type(body_, input.value) + " " + own);
      if (device_of_.empty() && body_.value(input.value).kind == ValueKind::kTensor) device_of_ = own;
    }
    const std::string type = is_condition ? "bool" : std::string(kTensors);
    lines_.push_back("const auto " + name + " = [&](" + join(parameters, ", ") + ") -> " + type + " {");
    for (const NodeId id : body_.nodes()) write(body_.node(id));
    add("return " + (is_condition ? condition() : "{" + join(results(), ", ") + "}") + ";");
    lines_.emplace_back("};");
    return std::move(lines_);
  }

 private:
  void add(const std::string& line) { lines_.push_back("  " + line); }

  std::string text(ValueId value) const {
    if (value == kDeviceValue) return device_of_.empty() ? "" : device_of_ + ".device()";
    const Binding* binding = body_.binding_of(value);
    if (binding != nullptr) refuse(owner_, "has a body with a tensor of its own, which has no form in C++ code.");
    return names_.at(value);
  }

  void write(const Node& node) {
    const ValueText value_text = [this](ValueId value) { return text(value); };
    if (is_control_flow(node)) {
      const CppControlFlow inner = cpp_control_flow(node, value_text, taken_);
      for (const std::string& line : inner.lines) add(line);
      declare_all(node, inner.results, true);
      return;
    }
    const std::string right = cpp_node_text(node, value_text);
    if (right.empty()) return;
    if (node.outputs.size() == 1 && !node.returns_list) {
      const ValueId output = node.outputs[0];
      const std::string name = unique(cpp_name(to_identifier(body_.value(output).name)), taken_);
      names_[output] = name;
      add("[[maybe_unused]] " + cpp_type(body_, output) + " " + name + " = " + right + ";");
    } else {
      declare_all(node, right, node.returns_list);
    }
  }

  void declare_all(const Node& node, const std::string& right, bool list) {
    const std::string all = unique("results", taken_);
    add("[[maybe_unused]] auto " + all + " = " + right + ";");
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const std::string place = std::to_string(i);
      names_[node.outputs[i]] = list ? all + "[" + place + "]" : "std::get<" + place + ">(" + all + ")";
    }
  }

  std::vector<std::string> results() const {
    std::vector<std::string> names;
    for (const Output& output : body_.outputs()) {
      if (!output.value.is_value() || body_.value(output.value.as_value()).kind != ValueKind::kTensor) {
        refuse(owner_, "returns something that is no tensor, which has no form in C++ code.");
      }
      names.push_back(text(output.value.as_value()));
    }
    return names;
  }

  std::string condition() const {
    const Argument& result = body_.outputs().at(0).value;
    if (result.is_bool()) return result.as_bool() ? "true" : "false";
    const bool tensor = body_.value(result.as_value()).kind == ValueKind::kTensor;
    return text(result.as_value()) + (tensor ? ".item<bool>()" : "");
  }

  const Node& owner_;
  const Graph& body_;
  std::set<std::string> taken_;
  std::map<ValueId, std::string> names_;
  std::string device_of_;
  std::vector<std::string> lines_;
};

std::vector<std::string> operands(const Node& node, size_t index, const ValueText& value_text) {
  std::vector<std::string> items;
  if (index >= node.args.size() || !node.args[index].value.is_list()) return items;
  for (const Argument& item : node.args[index].value.as_list()) {
    if (!item.is_value()) refuse(node, "is given a number, which has no form in C++ code.");
    items.push_back(value_text(item.as_value()));
  }
  return items;
}

const Graph& body_of(const Node& node, size_t index) {
  if (index >= node.args.size() || !node.args[index].value.is_graph()) refuse(node, "has no body.");
  return *std::get<std::shared_ptr<const Graph>>(node.args[index].value.data);
}

}  // namespace

CppControlFlow cpp_control_flow(const Node& node, const ValueText& value_text, std::set<std::string>& taken) {
  CppControlFlow flow;
  const auto define = [&](size_t index, const std::string& wish, bool is_condition) {
    const std::string name = unique(wish, taken);
    for (std::string& line : LambdaWriter(node, body_of(node, index), taken).write(name, is_condition)) {
      flow.lines.push_back(std::move(line));
    }
    return name;
  };
  if (node.op == kCond) {
    const std::string first = define(1, "if_true", false);
    const std::string second = define(2, "if_false", false);
    const std::string given = join(operands(node, 3, value_text), ", ");
    const Argument& chosen = node.args[0].value;
    // Its name is that of a tensor of one element, or of a bool.
    const std::string test = chosen.is_bool() ? (chosen.as_bool() ? "true" : "false") : value_text(chosen.as_value());
    flow.results = "is_true(" + test + ") ? " + first + "(" + given + ") : " + second + "(" + given + ")";
    return flow;
  }
  const std::string condition = define(0, "condition", true);
  const std::string body = define(1, "body", false);
  const std::string carried = unique("carried", taken);
  const std::vector<std::string> initial = operands(node, 2, value_text);
  std::vector<std::string> given;
  for (size_t i = 0; i < initial.size(); ++i) given.push_back(carried + "[" + std::to_string(i) + "]");
  for (std::string& item : operands(node, 3, value_text)) given.push_back(std::move(item));
  const std::string call = "(" + join(given, ", ") + ")";
  flow.lines.push_back(std::string(kTensors) + " " + carried + " = {" + join(initial, ", ") + "};");
  flow.lines.push_back("while (" + condition + call + ") " + carried + " = " + body + call + ";");
  flow.results = carried;
  return flow;
}

void check_bodies(const Node& node, std::vector<Diagnostic>& problems) {
  const ValueText any = [](ValueId) { return std::string("x"); };
  for (const NamedArgument& argument : node.args) {
    if (!argument.value.is_graph()) continue;
    const Graph& body = *std::get<std::shared_ptr<const Graph>>(argument.value.data);
    for (const NodeId id : body.nodes()) {
      try {
        if (is_control_flow(body.node(id))) {
          check_bodies(body.node(id), problems);
        } else {
          (void)cpp_node_text(body.node(id), any);
        }
      } catch (const Error& error) {
        problems.insert(problems.end(), error.diagnostics().begin(), error.diagnostics().end());
      }
    }
  }
  try {
    std::set<std::string> taken;
    if (problems.empty()) (void)cpp_control_flow(node, any, taken);
  } catch (const Error& error) {
    problems.insert(problems.end(), error.diagnostics().begin(), error.diagnostics().end());
  }
}

}  // namespace tinyml::codegen
