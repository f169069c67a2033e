#include "archive/metadata.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

namespace tinyml {
namespace {

/// What torch writes for nodes that stem from no module.
constexpr std::string_view kNoModule = "_empty_nn_module_stack_from_metadata_hook";

std::string_view trim(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r") - start + 1);
}

/// `File "a.py", line 3, in forward`, or nothing.
std::optional<SourceLocation> parse_frame(std::string_view line) {
  constexpr std::string_view kFile = "File \"";
  constexpr std::string_view kLine = "\", line ";
  constexpr std::string_view kIn = ", in ";
  if (line.substr(0, kFile.size()) != kFile) return std::nullopt;
  line.remove_prefix(kFile.size());
  const size_t number = line.find(kLine);
  if (number == std::string_view::npos) return std::nullopt;
  SourceLocation frame;
  frame.file = std::string(line.substr(0, number));
  line.remove_prefix(number + kLine.size());
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), frame.line);
  if (error != std::errc()) return std::nullopt;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  if (line.substr(0, kIn.size()) == kIn) frame.function = std::string(line.substr(kIn.size()));
  return frame;
}

std::vector<SourceLocation> parse_stack_trace(std::string_view text) {
  std::vector<SourceLocation> frames;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (auto frame = parse_frame(line)) {
      frames.push_back(std::move(*frame));
    } else if (!frames.empty() && frames.back().text.empty()) {
      frames.back().text = std::string(line);
    }
  }
  return frames;
}

/// Splits at commas outside brackets.
std::vector<std::string_view> split_fields(std::string_view text) {
  std::vector<std::string_view> fields;
  size_t start = 0;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '(') ++depth;
    if (text[i] == ']' || text[i] == ')') --depth;
    if (text[i] != ',' || depth != 0) continue;
    fields.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  fields.push_back(text.substr(start));
  return fields;
}

std::optional<std::vector<ModuleCall>> parse_module_stack(std::string_view text) {
  std::vector<ModuleCall> calls;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::vector<std::string_view> fields = split_fields(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (fields.size() != 3) return std::nullopt;
    if (fields[0] == kNoModule) continue;
    calls.push_back({std::string(fields[0]), std::string(fields[1]), std::string(fields[2])});
  }
  return calls;
}

}  // namespace

Metadata parse_metadata(const std::map<std::string, std::string>& entries) {
  Metadata metadata;
  for (const auto& [key, value] : entries) {
    if (key == "stack_trace") {
      metadata.stack_trace = parse_stack_trace(value);
      if (metadata.stack_trace.empty() && !value.empty()) metadata.other[key] = value;
    } else if (key == "nn_module_stack") {
      if (auto calls = parse_module_stack(value)) {
        metadata.module_stack = std::move(*calls);
      } else {
        metadata.other[key] = value;
      }
    } else if (key == "torch_fn") {
      metadata.torch_fn = value;
    } else {
      metadata.other[key] = value;
    }
  }
  return metadata;
}

std::map<std::string, std::string> format_metadata(const Metadata& metadata) {
  std::map<std::string, std::string> entries = metadata.other;
  if (!metadata.stack_trace.empty()) {
    std::string text;
    for (const SourceLocation& frame : metadata.stack_trace) {
      if (!text.empty()) text += "\n  ";
      text += fmt::format("File \"{}\", line {}, in {}", frame.file, frame.line, frame.function);
      if (!frame.text.empty()) text += "\n    " + frame.text;
    }
    entries["stack_trace"] = std::move(text);
  }
  if (!metadata.module_stack.empty()) {
    std::string text;
    for (const ModuleCall& call : metadata.module_stack) {
      text += fmt::format("{}{},{},{}", text.empty() ? "" : ";", call.key, call.path, call.type);
    }
    entries["nn_module_stack"] = std::move(text);
  }
  if (!metadata.torch_fn.empty()) entries["torch_fn"] = metadata.torch_fn;
  return entries;
}

}  // namespace tinyml
