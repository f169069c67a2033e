#include "archive/json_ref.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tinyml/error.h"

namespace tinyml {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 200;
constexpr const char* kRemedy = "the archive is damaged or was not written by torch.export.save; save it again";

/// Nesting of the text as a scanner sees it: strings are skipped, brackets counted.
bool nests_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

/// Path of keys from `from` to `target`, found by search: only an error needs it.
bool find_path(const Json& from, const Json* target, std::string& path) {
  if (&from == target) return true;
  const size_t length = path.size();
  if (from.is_object()) {
    for (const auto& [key, value] : from.items()) {
      path += (path.empty() ? "" : ".") + key;
      if (find_path(value, target, path)) return true;
      path.resize(length);
    }
  } else if (from.is_array()) {
    for (size_t i = 0; i < from.size(); ++i) {
      path += fmt::format("[{}]", i);
      if (find_path(from[i], target, path)) return true;
      path.resize(length);
    }
  }
  return false;
}

}  // namespace

JsonDocument::JsonDocument(std::string_view text, std::string name) : name_(std::move(name)) {
  if (nests_too_deep(text)) throw Error(fmt::format("{}: nests deeper than {} levels", name_, kMaxDepth), kRemedy);
  try {
    value_ = std::make_unique<const Json>(Json::parse(text));
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: malformed JSON: {}", name_, error.what()), kRemedy);
  }
}

JsonDocument::~JsonDocument() = default;

JsonRef JsonDocument::root() const { return {value_.get(), this}; }

void JsonRef::fail(const std::string& what) const {
  std::string path;
  find_path(*document_->value_, value_, path);
  throw Error(fmt::format("{}: {}{}{}", document_->name_, path, path.empty() ? "" : ": ", what), kRemedy);
}

bool JsonRef::is_null() const { return value_->is_null(); }
bool JsonRef::is_object() const { return value_->is_object(); }
bool JsonRef::is_array() const { return value_->is_array(); }
bool JsonRef::is_string() const { return value_->is_string(); }

bool JsonRef::has(std::string_view key) const {
  if (!value_->is_object()) fail("expected an object");
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

JsonRef JsonRef::at(std::string_view key) const {
  if (!value_->is_object()) fail("expected an object");
  const auto found = value_->find(key);
  if (found == value_->end()) fail(fmt::format("the key '{}' is missing", key));
  return {&*found, document_};
}

std::vector<std::pair<std::string_view, JsonRef>> JsonRef::items() const {
  if (!value_->is_object()) fail("expected an object");
  std::vector<std::pair<std::string_view, JsonRef>> items;
  items.reserve(value_->size());
  for (auto it = value_->begin(); it != value_->end(); ++it) items.emplace_back(it.key(), JsonRef(&*it, document_));
  return items;
}

std::pair<std::string_view, JsonRef> JsonRef::tagged() const {
  if (!value_->is_object() || value_->size() != 1) fail("expected an object with one key");
  return {value_->begin().key(), JsonRef(&*value_->begin(), document_)};
}

size_t JsonRef::size() const {
  if (!value_->is_array()) fail("expected a list");
  return value_->size();
}

JsonRef JsonRef::operator[](size_t index) const {
  if (index >= size()) fail(fmt::format("expected at least {} elements", index + 1));
  return {&(*value_)[index], document_};
}

std::vector<JsonRef> JsonRef::elements() const {
  std::vector<JsonRef> elements;
  elements.reserve(size());
  for (const Json& element : *value_) elements.push_back({&element, document_});
  return elements;
}

const std::string& JsonRef::as_string() const {
  if (!value_->is_string()) fail("expected a string");
  return value_->get_ref<const std::string&>();
}

int64_t JsonRef::as_int() const {
  const bool fits = value_->is_number_unsigned()
                        ? value_->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
                        : value_->is_number_integer();
  if (!fits) fail("expected an integer of 64 bits");
  return value_->get<int64_t>();
}

double JsonRef::as_double() const {
  if (value_->is_string()) {
    const std::string& text = as_string();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  }
  if (!value_->is_number()) fail("expected a number");
  return value_->get<double>();
}

bool JsonRef::as_bool() const {
  if (!value_->is_boolean()) fail("expected true or false");
  return value_->get<bool>();
}

std::string JsonRef::dump(std::string_view without) const {
  if (without.empty() || !value_->is_object()) return value_->dump();
  std::string text = "{";
  for (const auto& [key, value] : value_->items()) {
    if (key == without) continue;
    if (text.size() > 1) text += ',';
    text += Json(key).dump() + ":" + value.dump();
  }
  return text + "}";
}

}  // namespace tinyml
