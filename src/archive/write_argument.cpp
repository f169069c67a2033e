#include "archive/write_argument.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/enums.h"
#include "archive/write_graph.h"
#include "archive/write_type.h"

namespace tinyml {
namespace {

void write_named(JsonWriter& json, const char* key, const std::string& name) {
  json.begin_object().key(key).string(name).end_object();
}

void write_value(JsonWriter& json, const Value& value) {
  switch (value.kind) {
    case ValueKind::kTensor:
      json.key("as_tensor");
      return write_named(json, "name", value.name);
    case ValueKind::kSymInt:
      json.key("as_sym_int");
      break;
    case ValueKind::kSymFloat:
      json.key("as_sym_float");
      break;
    case ValueKind::kSymBool:
      json.key("as_sym_bool");
      break;
    case ValueKind::kOther:
      throw Error(fmt::format("the value '{}' is of a kind that cannot be written", value.name));
  }
  write_named(json, "as_name", value.name);
}

const char* empty_list_key(const SchemaType* type) {
  if (type == nullptr) return "as_tensors";
  switch (type->kind) {
    case SchemaKind::kTensor:
      return "as_tensors";
    case SchemaKind::kFloat:
      return "as_floats";
    case SchemaKind::kBool:
      return "as_bools";
    case SchemaKind::kString:
      return "as_strings";
    default:
      return "as_ints";
  }
}

/// Writes lists: the schema has one key for each kind of element.
class ListWriter {
 public:
  ListWriter(JsonWriter& json, const Graph& graph, const Argument::List& list)
      : json_(json), graph_(graph), list_(list) {}

  void write(const SchemaType* type) {
    if (list_.empty()) return elements(empty_list_key(type), [](const Argument&) {});
    if (all([](const Argument& item) { return item.is_bool(); })) {
      return elements("as_bools", [&](const Argument& item) { json_.boolean(item.as_bool()); });
    }
    if (all([](const Argument& item) { return item.is_int(); })) {
      return elements("as_ints", [&](const Argument& item) { json_.number(item.as_int()); });
    }
    if (all([](const Argument& item) { return item.is_number() && !item.is_bool(); })) {
      return elements("as_floats", [&](const Argument& item) { json_.number(item.as_double()); });
    }
    if (all([](const Argument& item) { return item.is_string(); })) {
      return elements("as_strings", [&](const Argument& item) { json_.string(item.as_string()); });
    }
    if (all([&](const Argument& item) { return is_tensor(item); })) {
      return elements("as_tensors", [&](const Argument& item) { write_named(json_, "name", name(item)); });
    }
    if (all([&](const Argument& item) { return item.is_none() || is_tensor(item); })) {
      return elements("as_optional_tensors", [&](const Argument& item) { write_optional(item); });
    }
    for (const ValueKind kind : {ValueKind::kSymInt, ValueKind::kSymFloat, ValueKind::kSymBool}) {
      if (all([&](const Argument& item) { return item.is_number() || is_kind(item, kind); }))
        return write_symbolic(kind);
    }
    if (all([](const Argument& item) { return item.is_list(); })) return write_nested();
    throw Error("a list of mixed elements cannot be written to a PT2 archive");
  }

 private:
  template <typename Predicate>
  bool all(Predicate predicate) const {
    return std::all_of(list_.begin(), list_.end(), predicate);
  }
  bool is_kind(const Argument& item, ValueKind kind) const {
    return item.is_value() && graph_.value(item.as_value()).kind == kind;
  }
  bool is_tensor(const Argument& item) const { return is_kind(item, ValueKind::kTensor); }
  const std::string& name(const Argument& item) const { return graph_.value(item.as_value()).name; }

  template <typename Write>
  void elements(const char* key, Write write) {
    json_.key(key).begin_array();
    for (const Argument& item : list_) write(item);
    json_.end_array();
  }

  void write_optional(const Argument& item) {
    json_.begin_object();
    if (item.is_none()) {
      json_.key("as_none").boolean(true);
    } else {
      json_.key("as_tensor");
      write_named(json_, "name", name(item));
    }
    json_.end_object();
  }

  void write_symbolic(ValueKind kind) {
    const char* key = kind == ValueKind::kSymInt     ? "as_sym_ints"
                      : kind == ValueKind::kSymFloat ? "as_sym_floats"
                                                     : "as_sym_bools";
    elements(key, [&](const Argument& item) {
      if (item.is_value()) return write_named(json_, "as_name", name(item));
      json_.begin_object();
      if (kind == ValueKind::kSymInt) {
        json_.key("as_int").number(item.as_int());
      } else if (kind == ValueKind::kSymFloat) {
        json_.key("as_float").number(item.as_double());
      } else {
        json_.key("as_bool").boolean(item.as_bool());
      }
      json_.end_object();
    });
  }

  void write_nested() {
    const auto every = [&](auto predicate) {
      return all([&](const Argument& inner) {
        return std::all_of(inner.as_list().begin(), inner.as_list().end(), predicate);
      });
    };
    const auto inner_lists = [&](const char* key, auto write) {
      elements(key, [&](const Argument& inner) {
        json_.begin_array();
        for (const Argument& item : inner.as_list()) write(item);
        json_.end_array();
      });
    };
    if (every([&](const Argument& item) { return is_tensor(item); })) {
      inner_lists("as_nested_tensors", [&](const Argument& item) { write_named(json_, "name", name(item)); });
    } else if (every([](const Argument& item) { return item.is_int(); })) {
      inner_lists("as_int_lists", [&](const Argument& item) { json_.number(item.as_int()); });
    } else if (every([](const Argument& item) { return item.is_double(); })) {
      inner_lists("as_float_lists", [&](const Argument& item) { json_.number(item.as_double()); });
    } else {
      throw Error("a nested list of mixed elements cannot be written to a PT2 archive");
    }
  }

  JsonWriter& json_;
  const Graph& graph_;
  const Argument::List& list_;
};

}  // namespace

void write_argument(JsonWriter& json, const Graph& graph, const Argument& argument, const SchemaType* type,
                    const std::function<std::string()>& subgraph_name) {
  json.begin_object();
  if (argument.is_none()) {
    json.key("as_none").boolean(true);
  } else if (argument.is_value()) {
    write_value(json, graph.value(argument.as_value()));
  } else if (argument.is_bool()) {
    json.key("as_bool").boolean(argument.as_bool());
  } else if (argument.is_int()) {
    json.key("as_int").number(argument.as_int());
  } else if (argument.is_double()) {
    json.key("as_float").number(argument.as_double());
  } else if (argument.is_string()) {
    json.key("as_string").string(argument.as_string());
  } else if (const auto* scalar_type = std::get_if<ScalarType>(&argument.data)) {
    json.key("as_scalar_type").number(schema_number(*scalar_type));
  } else if (const auto* format = std::get_if<MemoryFormat>(&argument.data)) {
    json.key("as_memory_format").number(schema_number(*format));
  } else if (const auto* layout = std::get_if<Layout>(&argument.data)) {
    json.key("as_layout").number(schema_number(*layout));
  } else if (const auto* device = std::get_if<Device>(&argument.data)) {
    json.key("as_device");
    write_device(json, *device);
  } else if (argument.is_graph()) {
    if (!subgraph_name) throw Error("a graph cannot be an input or output");
    json.key("as_graph").begin_object().key("name").string(subgraph_name()).key("graph");
    write_graph(json, *std::get<std::shared_ptr<const Graph>>(argument.data), false);
    json.end_object();
  } else {
    ListWriter(json, graph, argument.as_list()).write(type);
  }
  json.end_object();
}

void write_argument(JsonWriter& json, const Graph& graph, const Argument& argument) {
  write_argument(json, graph, argument, nullptr, nullptr);
}

}  // namespace tinyml
