#include "codegen/call_text.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace tinyml::codegen {
namespace {

struct Parameter {
  std::string python;
  std::string schema;
  std::string default_value;
  ArgumentStyle style = ArgumentStyle::kPositional;
  bool collapse_equal = false;
  bool collapse_single = false;
};

Parameter parse_parameter(std::string_view text) {
  Parameter parameter;
  const size_t end = text.find_first_of("?=#%");
  parameter.python = text.substr(0, end);
  if (const size_t colon = parameter.python.find(':'); colon != std::string::npos) {
    parameter.schema = parameter.python.substr(colon + 1);
    parameter.python.resize(colon);
  } else {
    parameter.schema = parameter.python;
  }
  if (end == std::string_view::npos) return parameter;
  text.remove_prefix(end);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#') parameter.collapse_equal = true;
    if (text[i] == '%') parameter.collapse_single = true;
    if (text[i] == '?' || text[i] == '=') {
      parameter.style = text[i] == '?' ? ArgumentStyle::kOptionalPositional : ArgumentStyle::kKeyword;
      parameter.default_value = text.substr(i + 1);
      break;
    }
  }
  return parameter;
}

/// "a, b=1" -> {"a", "b=1"}; the templates hold no nested commas.
std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items = split(text, ',');
  for (std::string& item : items) item.erase(0, item.find_first_not_of(' '));
  return items;
}

std::string value_of(const Parameter& parameter, const Node& node, const ValueText& value_text) {
  const Argument& argument = node.arg(parameter.schema);
  if (argument.is_list() && argument.is_int_list() && !argument.as_list().empty()) {
    const std::vector<int64_t> values = argument.as_ints();
    if (parameter.collapse_equal) return collapse(values);
    if (parameter.collapse_single && values.size() == 1) return std::to_string(values[0]);
  }
  return argument_text(argument, value_text);
}

/// "1" and "1.0" are the same number.
bool same_literal(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto number = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789+-.e") == std::string::npos &&
           text.find_first_of("0123456789") != std::string::npos;
  };
  return number(a) && number(b) && std::stod(a) == std::stod(b);
}

/// What a template may pass over in silence: it does not change the result.
bool is_negligible(const NamedArgument& argument) {
  if (argument.value.is_none() || argument.name == "cudnn_enabled" || argument.name == "cudnn_enable") return true;
  return argument.name == "pin_memory" && argument.value.is_bool() && !argument.value.as_bool();
}

/// Checks and removes a trailing "[name=value, ...]"; adds the names to `mentioned`.
bool check_conditions(std::string_view& text, const Node& node, const ValueText& value_text,
                      std::set<std::string>& mentioned) {
  const size_t open = text.rfind(" [");
  if (open == std::string_view::npos || text.back() != ']') return true;
  for (const std::string& item : split_list(text.substr(open + 2, text.size() - open - 3))) {
    const size_t equal = item.find('=');
    const std::string name = item.substr(0, equal);
    if (!node.has_arg(name)) return false;
    mentioned.insert(name);
    if (!same_literal(argument_text(node.arg(name), value_text), item.substr(equal + 1))) return false;
  }
  text = text.substr(0, open);
  return true;
}

bool all_mentioned(const Node& node, const std::set<std::string>& mentioned) {
  return std::all_of(node.args.begin(), node.args.end(), [&](const NamedArgument& argument) {
    return mentioned.count(argument.name) > 0 || is_negligible(argument);
  });
}

}  // namespace

void CallText::positional(std::string name, std::string value) {
  arguments.push_back({std::move(name), std::move(value), ArgumentStyle::kPositional, ""});
}

void CallText::keyword(std::string name, std::string value, std::string default_value) {
  arguments.push_back({std::move(name), std::move(value), ArgumentStyle::kKeyword, std::move(default_value)});
}

std::string to_string(const CallText& call) {
  std::vector<std::string> items;
  size_t last_positional = 0;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const CallArgument& argument = call.arguments[i];
    if (argument.style == ArgumentStyle::kPositional || (argument.style == ArgumentStyle::kOptionalPositional &&
                                                         !same_literal(argument.value, argument.default_value))) {
      last_positional = i + 1;
    }
  }
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const CallArgument& argument = call.arguments[i];
    if (argument.style == ArgumentStyle::kKeyword) {
      if (!same_literal(argument.value, argument.default_value)) items.push_back(argument.name + "=" + argument.value);
    } else if (i < last_positional) {
      items.push_back(argument.value);
    }
  }
  return call.callee + "(" + join(items, ", ") + ")";
}

std::string collapse(const std::vector<int64_t>& values) {
  const bool equal = std::all_of(values.begin(), values.end(), [&](int64_t value) { return value == values[0]; });
  if (equal && !values.empty()) return std::to_string(values[0]);
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(std::to_string(value));
  return tuple_text(items);
}

std::optional<CallText> apply_template(std::string_view text, const Node& node, const ValueText& value_text,
                                       std::set<std::string> passed_over) {
  std::set<std::string>& mentioned = passed_over;
  if (!check_conditions(text, node, value_text, mentioned)) return std::nullopt;
  const size_t open = text.find('(');
  TINYML_CHECK(open != std::string_view::npos && text.back() == ')');
  CallText call;
  call.callee = text.substr(0, open);
  if (call.callee.starts_with("self.")) {
    if (node.args.empty() || !node.args[0].value.is_value()) return std::nullopt;
    call.callee = value_text(node.args[0].value.as_value()) + call.callee.substr(4);
    mentioned.insert(node.args[0].name);
  }
  for (const std::string& item : split_list(text.substr(open + 1, text.size() - open - 2))) {
    Parameter parameter = parse_parameter(item);
    if (!node.has_arg(parameter.schema)) return std::nullopt;
    mentioned.insert(parameter.schema);
    std::string value = value_of(parameter, node, value_text);
    if (parameter.default_value == "$training") {
      value = "self.training";
      parameter.default_value.clear();
    } else if (parameter.default_value.starts_with('@')) {
      Parameter other = parameter;
      other.schema = parameter.default_value.substr(1);
      parameter.default_value = value_of(other, node, value_text);
      if (value == "[]") value = parameter.default_value;
    }
    call.arguments.push_back({parameter.python, value, parameter.style, parameter.default_value});
  }
  if (!all_mentioned(node, mentioned)) return std::nullopt;
  return call;
}

std::optional<std::string> apply_infix(std::string_view text, const Node& node, const ValueText& value_text) {
  std::set<std::string> mentioned;
  if (!check_conditions(text, node, value_text, mentioned)) return std::nullopt;
  std::string out;
  for (const std::string& word : split(text, ' ')) {
    if (!out.empty()) out += ' ';
    std::string name = word;
    std::string prefix;
    if (name.starts_with('-') || name.starts_with('~')) {
      if (name.size() > 1) {
        prefix = name.substr(0, 1);
        name.erase(0, 1);
      }
    }
    if (!node.has_arg(name)) {
      out += word;
      continue;
    }
    mentioned.insert(name);
    std::string value = argument_text(node.arg(name), value_text);
    if (value.starts_with('-') && !out.empty()) value = "(" + value + ")";
    out += prefix + value;
  }
  if (!all_mentioned(node, mentioned)) return std::nullopt;
  return out;
}

}  // namespace tinyml::codegen
