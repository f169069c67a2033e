#include "archive/read_argument.h"

#include <fmt/format.h>

#include <string_view>

#include "archive/enums.h"
#include "archive/read_type.h"

namespace tinyml {
namespace {

template <typename Read>
Argument read_list(const JsonRef& json, Read read) {
  Argument::List items;
  items.reserve(json.size());
  for (const JsonRef& element : json.elements()) items.push_back(read(element));
  return items;
}

Argument read_symbolic(const JsonRef& json, const ArgumentScope& scope) {
  const auto [tag, value] = json.tagged();
  if (tag == "as_name") return scope.value(value);
  if (tag == "as_int") return value.as_int();
  if (tag == "as_float") return value.as_double();
  if (tag == "as_bool") return value.as_bool();
  json.fail(fmt::format("'{}' is not a kind of symbolic number", tag));
}

Argument read_optional_tensor(const JsonRef& json, const ArgumentScope& scope) {
  const auto [tag, value] = json.tagged();
  if (tag == "as_none") return {};
  if (tag == "as_tensor") return scope.value(value.at("name"));
  json.fail(fmt::format("'{}' is not a kind of optional tensor", tag));
}

}  // namespace

Argument read_argument(const JsonRef& json, const ArgumentScope& scope) {
  const auto tagged = json.tagged();
  const std::string_view tag = tagged.first;
  const JsonRef& value = tagged.second;
  const auto tensor = [&](const JsonRef& item) -> Argument { return scope.value(item.at("name")); };
  const auto integer = [](const JsonRef& item) -> Argument { return item.as_int(); };
  const auto real = [](const JsonRef& item) -> Argument { return item.as_double(); };
  const auto symbolic = [&](const JsonRef& item) { return read_symbolic(item, scope); };

  if (tag == "as_none") return {};
  if (tag == "as_tensor") return tensor(value);
  if (tag == "as_int") return integer(value);
  if (tag == "as_float") return real(value);
  if (tag == "as_bool") return value.as_bool();
  if (tag == "as_string") return value.as_string();
  if (tag == "as_sym_int" || tag == "as_sym_float" || tag == "as_sym_bool") return symbolic(value);
  if (tag == "as_scalar_type") return read_scalar_type(value);
  if (tag == "as_memory_format") return read_memory_format(value);
  if (tag == "as_layout") return read_layout(value);
  if (tag == "as_device") return read_device(value);
  if (tag == "as_optional_tensor") return read_optional_tensor(value, scope);
  if (tag == "as_graph") return scope.subgraph(value.at("graph"));
  if (tag == "as_tensors") return read_list(value, tensor);
  if (tag == "as_ints") return read_list(value, integer);
  if (tag == "as_floats") return read_list(value, real);
  if (tag == "as_bools") return read_list(value, [](const JsonRef& item) -> Argument { return item.as_bool(); });
  if (tag == "as_strings") return read_list(value, [](const JsonRef& item) -> Argument { return item.as_string(); });
  if (tag == "as_sym_ints" || tag == "as_sym_floats" || tag == "as_sym_bools") return read_list(value, symbolic);
  if (tag == "as_optional_tensors") {
    return read_list(value, [&](const JsonRef& item) { return read_optional_tensor(item, scope); });
  }
  if (tag == "as_nested_tensors") return read_list(value, [&](const JsonRef& item) { return read_list(item, tensor); });
  if (tag == "as_int_lists") return read_list(value, [&](const JsonRef& item) { return read_list(item, integer); });
  if (tag == "as_float_lists") return read_list(value, [&](const JsonRef& item) { return read_list(item, real); });
  value.fail(fmt::format("arguments of the kind '{}' are not supported", tag));
}

}  // namespace tinyml
