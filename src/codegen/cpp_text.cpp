#include "codegen/cpp_text.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tinyml::codegen {
namespace {

constexpr size_t kLineLimit = 100;

/// Keywords of C++ that are no keywords of Python, and members of torch::nn::Module and of the generated classes.
constexpr std::array<std::string_view, 104> kTaken = {"alignas",
                                                      "alignof",
                                                      "asm",
                                                      "auto",
                                                      "bool",
                                                      "case",
                                                      "catch",
                                                      "char",
                                                      "concept",
                                                      "const",
                                                      "consteval",
                                                      "constexpr",
                                                      "constinit",
                                                      "const_cast",
                                                      "co_await",
                                                      "co_return",
                                                      "co_yield",
                                                      "decltype",
                                                      "default",
                                                      "delete",
                                                      "do",
                                                      "double",
                                                      "dynamic_cast",
                                                      "enum",
                                                      "explicit",
                                                      "export",
                                                      "extern",
                                                      "float",
                                                      "friend",
                                                      "goto",
                                                      "inline",
                                                      "int",
                                                      "long",
                                                      "mutable",
                                                      "namespace",
                                                      "new",
                                                      "noexcept",
                                                      "nullptr",
                                                      "operator",
                                                      "private",
                                                      "protected",
                                                      "public",
                                                      "register",
                                                      "reinterpret_cast",
                                                      "requires",
                                                      "short",
                                                      "signed",
                                                      "sizeof",
                                                      "static",
                                                      "static_assert",
                                                      "static_cast",
                                                      "struct",
                                                      "switch",
                                                      "template",
                                                      "this",
                                                      "thread_local",
                                                      "throw",
                                                      "try",
                                                      "typedef",
                                                      "typeid",
                                                      "typename",
                                                      "union",
                                                      "unsigned",
                                                      "using",
                                                      "virtual",
                                                      "void",
                                                      "volatile",
                                                      "wchar_t",
                                                      "xor",
                                                      "compl",
                                                      "and_eq",
                                                      "or_eq",
                                                      "bitand",
                                                      "bitor",
                                                      "not_eq",
                                                      "true",
                                                      "false",
                                                      "torch",
                                                      "at",
                                                      "c10",
                                                      "std",
                                                      "forward",
                                                      "train",
                                                      "eval",
                                                      "to",
                                                      "clone",
                                                      "name",
                                                      "apply",
                                                      "save",
                                                      "load",
                                                      "modules",
                                                      "children",
                                                      "buffers",
                                                      "parameters",
                                                      "is_training",
                                                      "zero_grad",
                                                      "register_module",
                                                      "register_parameter",
                                                      "register_buffer",
                                                      "named_parameters",
                                                      "named_buffers",
                                                      "named_modules",
                                                      "as",
                                                      "pretty_print"};

}  // namespace

std::string cpp_double(double value) {
  if (std::isnan(value)) return "std::numeric_limits<double>::quiet_NaN()";
  if (std::isinf(value)) return std::string(value < 0 ? "-" : "") + "std::numeric_limits<double>::infinity()";
  return float_literal(value);
}

std::string cpp_scalar_type(ScalarType type) {
  const std::string name(name_of(type));
  if (name == "bool") return "torch::kBool";
  if (name == "complex64") return "torch::kComplexFloat";
  if (name == "complex128") return "torch::kComplexDouble";
  if (name == "bfloat16") return "torch::kBFloat16";
  const bool is_unsigned = name.starts_with("uint");
  return is_unsigned ? "torch::kUInt" + name.substr(4)
                     : "torch::k" + std::string(1, static_cast<char>(std::toupper(name[0]))) + name.substr(1);
}

std::string cpp_name(std::string_view name) {
  std::string result = is_index(name) ? "item" + std::string(name) : to_identifier(name);
  if (std::find(kTaken.begin(), kTaken.end(), result) != kTaken.end()) result += '_';
  return result;
}

std::string cpp_type(const Graph& graph, ValueId value) {
  switch (graph.value(value).kind) {
    case ValueKind::kSymInt:
      return "int64_t";
    case ValueKind::kSymFloat:
      return "double";
    case ValueKind::kSymBool:
      return "bool";
    default:
      return "torch::Tensor";
  }
}

void append_cpp_line(std::string& out, int indent, std::string_view text) {
  std::string line(static_cast<size_t>(indent), ' ');
  const size_t start = line.size();
  const std::string next(static_cast<size_t>(indent) + 4, ' ');
  bool quoted = false;
  std::string word;
  const auto flush = [&](size_t first) {
    const size_t length = word.ends_with(' ') ? word.size() - 1 : word.size();
    if (line.size() + length > kLineLimit && line.size() > first) {
      while (line.ends_with(' ')) line.pop_back();
      out += line + '\n';
      line = next;
    }
    line += word;
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    word += text[i];
    if (text[i] == '\\' && quoted && i + 1 < text.size()) {
      word += text[++i];
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    if (!quoted && text[i] == ' ' && i > 0 && (text[i - 1] == ',' || text[i - 1] == '=')) flush(start);
  }
  flush(start);
  while (line.ends_with(' ')) line.pop_back();
  out += line + '\n';
}

}  // namespace tinyml::codegen
