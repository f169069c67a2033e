// Calls of Python functions and constructors, and the templates that describe how an operator's arguments become
// theirs.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/python_text.h"

namespace tinyml::codegen {

enum class ArgumentStyle : uint8_t {
  kPositional,          ///< Always printed, without its name.
  kOptionalPositional,  ///< Printed without its name, left out when it and all after it have their defaults.
  kKeyword,             ///< Printed with its name unless it has its default.
};

struct CallArgument {
  std::string name;
  std::string value;
  ArgumentStyle style = ArgumentStyle::kPositional;
  std::string default_value;  ///< Unused for kPositional.
};

/// `callee(arguments)`, before it is decided which arguments need printing.
struct CallText {
  std::string callee;
  std::vector<CallArgument> arguments;

  void positional(std::string name, std::string value);
  void keyword(std::string name, std::string value, std::string default_value);
};

std::string to_string(const CallText& call);

/// "2" for equal entries, "(2, 1)" for others; what most constructors take for one number a spatial dimension.
std::string collapse(const std::vector<int64_t>& values);

/// How an operator prints. Either a call, `F.conv2d(input, weight, bias=None, stride=1)`, or infix text, `self +
/// other`; names are the operator's schema names. In a call:
///   name           positional
///   name?default   positional, may be left out
///   name=default   keyword, may be left out; `default` may be "@other": the value of another argument, or an empty
///   list name#...       a list of equal numbers is printed as one number name%...       a list of one number is
///   printed as that number py:name...     the Python name differs from the schema's
/// `self.` before the function's name: a method of the first argument. `[name=value, ...]` at the end: the template
/// applies only to calls with these values. "$training" stands for the module's mode. Arguments that a template does
/// not mention must be None, False (pin_memory), or without effect (cudnn_enabled). Returns nullopt where the template
/// does not apply to the node. `passed_over`: arguments that need not be mentioned.
std::optional<CallText> apply_template(std::string_view text, const Node& node, const ValueText& value_text,
                                       std::set<std::string> passed_over = {});
/// The same for infix templates.
std::optional<std::string> apply_infix(std::string_view text, const Node& node, const ValueText& value_text);

}  // namespace tinyml::codegen
