#include <fmt/format.h>

#include "tinyml/graph.h"

namespace tinyml {
namespace {

template <typename T>
const T& get(const Argument& argument, const char* expected) {
  if (const T* value = std::get_if<T>(&argument.data)) return *value;
  throw Error(fmt::format("an operator's argument is not {}", expected));
}

}  // namespace

Argument Argument::ints(const std::vector<int64_t>& values) { return List(values.begin(), values.end()); }

bool Argument::is_int_list() const {
  const auto* list = std::get_if<List>(&data);
  if (list == nullptr) return false;
  for (const Argument& item : *list) {
    if (!item.is_int()) return false;
  }
  return true;
}

ValueId Argument::as_value() const { return get<ValueId>(*this, "a tensor or symbolic value"); }

int64_t Argument::as_int() const {
  if (is_bool()) return std::get<bool>(data) ? 1 : 0;
  return get<int64_t>(*this, "an integer constant");
}

double Argument::as_double() const {
  if (is_double()) return std::get<double>(data);
  return static_cast<double>(as_int());
}

bool Argument::as_bool() const {
  if (is_int()) return std::get<int64_t>(data) != 0;
  return get<bool>(*this, "a boolean");
}

const std::string& Argument::as_string() const { return get<std::string>(*this, "a string"); }

ScalarType Argument::as_scalar_type() const { return get<ScalarType>(*this, "an element type"); }

const Argument::List& Argument::as_list() const { return get<List>(*this, "a list"); }

std::vector<int64_t> Argument::as_ints() const {
  std::vector<int64_t> values;
  for (const Argument& item : as_list()) values.push_back(item.as_int());
  return values;
}

std::vector<ValueId> Argument::as_values() const {
  std::vector<ValueId> values;
  for (const Argument& item : as_list()) values.push_back(item.is_none() ? kNoValue : item.as_value());
  return values;
}

}  // namespace tinyml
