#include "codegen/python_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace tinyml::codegen {
namespace {

constexpr size_t kLineLimit = 100;
constexpr int kIndent = 4;

constexpr std::array<std::string_view, 35> kKeywords = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};

std::string memory_format_text(MemoryFormat format) {
  switch (format) {
    case MemoryFormat::kContiguous:
      return "torch.contiguous_format";
    case MemoryFormat::kChannelsLast:
      return "torch.channels_last";
    case MemoryFormat::kChannelsLast3d:
      return "torch.channels_last_3d";
    case MemoryFormat::kPreserve:
      return "torch.preserve_format";
  }
  report_internal_error("known memory format", __FILE__, __LINE__);
}

std::string layout_text(Layout layout) {
  switch (layout) {
    case Layout::kStrided:
      return "torch.strided";
    case Layout::kSparseCoo:
      return "torch.sparse_coo";
    case Layout::kSparseCsr:
      return "torch.sparse_csr";
    case Layout::kSparseCsc:
      return "torch.sparse_csc";
    case Layout::kSparseBsr:
      return "torch.sparse_bsr";
    case Layout::kSparseBsc:
      return "torch.sparse_bsc";
    case Layout::kMkldnn:
      return "torch._mkldnn";
    case Layout::kJagged:
      return "torch.jagged";
  }
  report_internal_error("known layout", __FILE__, __LINE__);
}

std::string device_text(const Device& device) {
  std::string text = device.type;
  if (device.index) text += ":" + std::to_string(*device.index);
  return "torch.device(" + string_literal(text) + ")";
}

/// Splits at commas outside brackets and strings.
std::vector<std::string> split_arguments(std::string_view text) {
  std::vector<std::string> items;
  int depth = 0;
  char quote = 0;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
      continue;
    }
    if (c == '"' || c == '\'') quote = c;
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == ',' && depth == 0) {
      items.emplace_back(text.substr(start, i - start));
      start = i + 1;
      while (start < text.size() && text[start] == ' ') ++start;
    }
  }
  if (start < text.size()) items.emplace_back(text.substr(start));
  return items;
}

/// Position of the bracket that the line's last closing bracket closes; npos if nothing but punctuation may follow it
/// fails.
size_t last_group(std::string_view text, size_t* close) {
  size_t end = text.size();
  while (end > 0 && (text[end - 1] == ':' || text[end - 1] == ',')) --end;
  if (end == 0 || (text[end - 1] != ')' && text[end - 1] != ']' && text[end - 1] != '}')) return std::string_view::npos;
  *close = end - 1;
  std::vector<size_t> open;
  char quote = 0;
  for (size_t i = 0; i < end; ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
      continue;
    }
    if (c == '"' || c == '\'') quote = c;
    if (c == '(' || c == '[' || c == '{') open.push_back(i);
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) return std::string_view::npos;
      if (i == *close) return open.back();
      open.pop_back();
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string float_literal(double value) {
  if (std::isnan(value)) return "float(\"nan\")";
  if (std::isinf(value)) return value > 0 ? "float(\"inf\")" : "float(\"-inf\")";
  std::array<char, 32> buffer{};
  const double magnitude = std::fabs(value);
  // Python switches to exponents below 1e-4 and from 1e16 on.
  const bool fixed = value == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer.data(), result.ptr);
  if (fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string string_literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string bool_literal(bool value) { return value ? "True" : "False"; }

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += separator;
    out += items[i];
  }
  return out;
}

std::string tuple_text(const std::vector<std::string>& items) {
  return "(" + join(items, ", ") + (items.size() == 1 ? ",)" : ")");
}

std::string list_text(const std::vector<std::string>& items) { return "[" + join(items, ", ") + "]"; }

std::string argument_text(const Argument& argument, const ValueText& value_text) {
  struct Visitor {
    const ValueText& value_text;
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(ValueId id) const { return id == kNoValue ? "None" : value_text(id); }
    std::string operator()(int64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return float_literal(value); }
    std::string operator()(bool value) const { return bool_literal(value); }
    std::string operator()(const std::string& value) const { return string_literal(value); }
    std::string operator()(ScalarType value) const { return "torch." + std::string(name_of(value)); }
    std::string operator()(MemoryFormat value) const { return memory_format_text(value); }
    std::string operator()(Layout value) const { return layout_text(value); }
    std::string operator()(const Device& value) const { return device_text(value); }
    std::string operator()(const Argument::List& list) const {
      std::vector<std::string> items;
      bool numbers = !list.empty();
      for (const Argument& item : list) {
        items.push_back(std::visit(*this, item.data));
        numbers = numbers && item.is_number();
      }
      return numbers ? tuple_text(items) : list_text(items);
    }
    std::string operator()(const std::shared_ptr<const Graph>&) const {
      throw Error("A control-flow region has no form in generated code.");
    }
  };
  return std::visit(Visitor{value_text}, argument.data);
}

bool is_identifier(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) return false;
  const bool word = std::all_of(text.begin(), text.end(),
                                [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; });
  return word && std::find(kKeywords.begin(), kKeywords.end(), text) == kKeywords.end();
}

bool is_index(std::string_view text) {
  const bool digits =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && text.size() <= 6 && (text.size() == 1 || text[0] != '0');
}

std::string to_identifier(std::string_view text) {
  std::string out;
  for (const char c : text) out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0])) != 0) out = "_" + out;
  if (!is_identifier(out)) out += "_";
  return out;
}

std::string to_snake_case(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool after_lower = i > 0 && std::isupper(static_cast<unsigned char>(text[i - 1])) == 0 && text[i - 1] != '_';
    const bool before_lower = i + 1 < text.size() && std::islower(static_cast<unsigned char>(text[i + 1])) != 0;
    if (std::isupper(c) != 0 && i > 0 && text[i - 1] != '_' && (after_lower || before_lower)) out += '_';
    out += static_cast<char>(std::tolower(c));
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == separator) {
      parts.emplace_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  return parts;
}

void append_line(std::string& out, int indent, std::string_view text) {
  const std::string margin(static_cast<size_t>(indent), ' ');
  size_t close = 0;
  size_t open = std::string_view::npos;
  const bool multiline = text.find('\n') != std::string_view::npos;
  if (!multiline && margin.size() + text.size() > kLineLimit) open = last_group(text, &close);
  if (open == std::string_view::npos || close == open + 1) {
    out += margin;
    out += text;
    out += '\n';
    return;
  }
  out += margin;
  out += text.substr(0, open + 1);
  out += '\n';
  const std::string_view inner = text.substr(open + 1, close - open - 1);
  const std::vector<std::string> items = split_arguments(inner);
  const bool starred_only = items.size() == 1;
  if (inner.size() + margin.size() + kIndent <= kLineLimit) {
    out += margin + std::string(kIndent, ' ') + std::string(inner) + '\n';
  } else {
    for (size_t i = 0; i < items.size(); ++i) {
      append_line(out, indent + kIndent, starred_only ? items[i] : items[i] + ",");
    }
  }
  out += margin;
  out += text.substr(close);
  out += '\n';
}

}  // namespace tinyml::codegen
