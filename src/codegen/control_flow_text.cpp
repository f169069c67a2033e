#include "codegen/control_flow_text.h"

#include <map>
#include <memory>

#include "codegen/forward_frame.h"
#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

constexpr std::string_view kCond = "higher_order.cond";
constexpr std::string_view kWhile = "higher_order.while_loop";
constexpr int kInner = 4;

const Graph& body_of(const Node& node, size_t index) {
  if (index >= node.args.size() || !node.args[index].value.is_graph()) {
    throw Error(Diagnostic{node.op + " has no body.", node.module_path(), node.source(), "Export the model again."});
  }
  return *std::get<std::shared_ptr<const Graph>>(node.args[index].value.data);
}

/// A line of the function, broken where it is too long.
std::string inner_line(const std::string& text, int outer) {
  std::string out;
  append_line(out, outer + kInner, text);
  out.pop_back();
  return out.substr(static_cast<size_t>(outer));
}

class FunctionWriter {
 public:
  explicit FunctionWriter(const Graph& body) : body_(body) {}

  /// `as_list`: whether a single result is returned as a tuple of one.
  std::vector<std::string> write(const std::string& function, bool as_list) {
    std::vector<std::string> parameters;
    for (const Input& input : body_.inputs()) {
      if (input.value == kNoValue) continue;
      parameters.push_back(name(input.value));
      if (body_.value(input.value).kind == ValueKind::kTensor && device_of_.empty()) device_of_ = parameters.back();
    }
    lines_ = {"def " + function + "(" + join(parameters, ", ") + "):"};
    for (const NodeId id : body_.nodes()) write(body_.node(id));
    std::vector<std::string> results;
    for (const Output& output : body_.outputs()) results.push_back(argument_text(output.value, text()));
    add("return " + (as_list && results.size() == 1 ? tuple_text(results) : join(results, ", ")));
    return lines_;
  }

 private:
  static constexpr int kForward = 8;  // where the lines of a method stand

  void add(const std::string& line) { lines_.push_back(inner_line(line, kForward)); }

  ValueText text() {
    return [this](ValueId value) {
      if (value == kDeviceValue) return device_of_.empty() ? "" : device_of_ + ".device";
      return names_.at(value);
    };
  }

  std::string name(ValueId value) { return names_[value] = taken_.add(to_identifier(body_.value(value).name)); }

  void write(const Node& node) {
    std::string right;
    if (is_control_flow(node)) {
      std::set<std::string> taken;
      for (const auto& [value, own] : names_) taken.insert(own);
      const ControlFlowText inner = control_flow_text(node, text(), taken);
      for (const std::string& line : inner.lines) lines_.push_back(std::string(kInner, ' ') + line);
      right = inner.call;
    } else {
      right = node_text(body_, node, text());
    }
    std::vector<std::string> left;
    for (const ValueId output : node.outputs) {
      const bool is_read = output != kNoValue && !body_.is_unused(output);
      left.push_back(is_read ? name(output) : "_");
    }
    std::string target = join(left, ", ");
    if (node.returns_list && left.size() == 1) target = "(" + target + ",)";
    add(left.empty() ? right : target + " = " + right);
  }

  const Graph& body_;
  NameSet taken_;
  std::map<ValueId, std::string> names_;
  std::string device_of_;
  std::vector<std::string> lines_;
};

std::string tuple_of(const Node& node, size_t index, const ValueText& value_text) {
  std::vector<std::string> items;
  if (index < node.args.size()) {
    for (const Argument& item : node.args[index].value.as_list()) items.push_back(argument_text(item, value_text));
  }
  return tuple_text(items);
}

std::string unique(std::string name, const std::set<std::string>& taken) {
  while (taken.count(name) > 0) name += "_";
  return name;
}

void define(const Node& node, size_t index, const std::string& name, ControlFlowText& result) {
  const bool is_condition = node.op == kWhile && index == 0;
  const bool as_list = node.returns_list && !is_condition;
  for (std::string& line : FunctionWriter(body_of(node, index)).write(name, as_list))
    result.lines.push_back(std::move(line));
}

}  // namespace

bool is_control_flow(const Node& node) { return node.op == kCond || node.op == kWhile; }

ControlFlowText control_flow_text(const Node& node, const ValueText& value_text, const std::set<std::string>& taken) {
  const bool is_cond = node.op == kCond;
  const std::string first = unique(is_cond ? "if_true" : "condition", taken);
  const std::string second = unique(is_cond ? "if_false" : "body", taken);
  ControlFlowText result;
  define(node, is_cond ? 1 : 0, first, result);
  define(node, is_cond ? 2 : 1, second, result);
  if (is_cond) {
    result.call = "torch.cond(" + argument_text(node.args[0].value, value_text) + ", " + first + ", " + second + ", " +
                  tuple_of(node, 3, value_text) + ")";
  } else {
    result.call = "torch.ops.higher_order.while_loop(" + first + ", " + second + ", " + tuple_of(node, 2, value_text) +
                  ", " + tuple_of(node, 3, value_text) + ")";
  }
  return result;
}

}  // namespace tinyml::codegen
