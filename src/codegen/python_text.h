// Python source text: literals, identifiers, line breaking.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::codegen {

/// What a graph value is called where the text will stand.
using ValueText = std::function<std::string(ValueId)>;

/// A double as Python's repr prints it: "0.1", "1e-05", "2.0", `float("inf")`.
std::string float_literal(double value);
std::string string_literal(std::string_view text);
std::string bool_literal(bool value);
/// "(1, 2)", "(1,)" for tuples, "[1, 2]" for lists.
std::string tuple_text(const std::vector<std::string>& items);
std::string list_text(const std::vector<std::string>& items);
std::string join(const std::vector<std::string>& items, std::string_view separator);

/// The argument as a Python expression. Lists of numbers print as tuples, other lists as lists.
std::string argument_text(const Argument& argument, const ValueText& value_text);

bool is_identifier(std::string_view text);
/// Whether it is all digits: an index into a Sequential or ModuleList.
bool is_index(std::string_view text);
/// `text` with everything an identifier cannot hold replaced by "_", never a Python keyword.
std::string to_identifier(std::string_view text);
/// "BasicBlock" -> "basic_block".
std::string to_snake_case(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);

/// One logical line, indented and, where it is longer than the limit, broken inside its last bracket.
void append_line(std::string& out, int indent, std::string_view text);

}  // namespace tinyml::codegen
