#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tinyml {

class JsonRef;

/// A parsed JSON text. Throws Error with the entry's name for text that is malformed or nests deeper than 200.
class JsonDocument {
 public:
  JsonDocument(std::string_view text, std::string name);
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  JsonRef root() const;

 private:
  friend class JsonRef;
  std::unique_ptr<const nlohmann::json> value_;
  std::string name_;
};

/// A value inside a document, which must outlive it. Every access checks what it expects and throws Error naming the
/// document and the path of keys to the value ("models/model.json: graph_module.graph.nodes[3].target: expected a
/// string").
class JsonRef {
 public:
  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;

  // Objects.
  bool has(std::string_view key) const;    ///< And its value is not null.
  JsonRef at(std::string_view key) const;  ///< The key must be there; its value may be null.
  JsonRef operator[](std::string_view key) const { return at(key); }
  std::vector<std::pair<std::string_view, JsonRef>> items() const;
  /// The only entry of an object: the tag of a tagged union and its value.
  std::pair<std::string_view, JsonRef> tagged() const;

  // Arrays.
  size_t size() const;
  JsonRef operator[](size_t index) const;
  std::vector<JsonRef> elements() const;

  // Scalars.
  const std::string& as_string() const;
  int64_t as_int() const;
  double as_double() const;  ///< Any number, or "Infinity", "-Infinity", "NaN".
  bool as_bool() const;

  /// JSON text of the value, without the entries of the top-level object that are named.
  std::string dump(std::string_view without = "") const;

  [[noreturn]] void fail(const std::string& what) const;

 private:
  friend class JsonDocument;
  JsonRef(const nlohmann::json* value, const JsonDocument* document) : value_(value), document_(document) {}
  const nlohmann::json* value_;
  const JsonDocument* document_;
};

}  // namespace tinyml
