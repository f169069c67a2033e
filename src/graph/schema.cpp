#include "tinyml/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "graph/parse_schema.h"

namespace tinyml {
namespace {

constexpr std::string_view kTable[] = {
#include "graph/schema_table.inc"
};

std::string_view key_of(std::string_view line) { return line.substr(0, line.find('(')); }

/// Schemas are parsed on first use: a model needs a few dozen of the two thousand.
class SchemaCache {
 public:
  const OpSchema* find(std::string_view op) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto found = parsed_.find(op); found != parsed_.end()) return &found->second;
    const auto* line =
        std::lower_bound(std::begin(kTable), std::end(kTable), op,
                         [](std::string_view entry, std::string_view key) { return key_of(entry) < key; });
    if (line == std::end(kTable) || key_of(*line) != op) return nullptr;
    return &parsed_.emplace(key_of(*line), parse_schema(*line)).first->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string_view, OpSchema> parsed_;  // Keys point into kTable; references stay valid.
};

Argument normalise(const SchemaType& type, Argument value) {
  if (type.kind == SchemaKind::kFloat && !type.list && value.is_int()) return static_cast<double>(value.as_int());
  if (type.kind == SchemaKind::kFloat && type.list && value.is_list()) {
    Argument::List items = value.as_list();
    for (Argument& item : items) {
      if (item.is_int()) item = static_cast<double>(item.as_int());
    }
    return items;
  }
  const auto count = static_cast<size_t>(type.list_size);
  if (!type.list || count == 0) return value;
  if (value.is_number() || value.is_value()) return Argument::List(count, value);
  if (value.is_list() && value.as_list().size() == 1) return Argument::List(count, value.as_list()[0]);
  return value;
}

}  // namespace

bool OpSchema::is_mutating() const {
  return std::any_of(arguments.begin(), arguments.end(), [](const SchemaArgument& arg) { return arg.type.mutated; });
}

bool OpSchema::is_view() const {
  return std::any_of(returns.begin(), returns.end(),
                     [](const SchemaType& type) { return !type.alias.empty() && !type.mutated; });
}

size_t OpSchema::find(std::string_view argument) const {
  size_t i = 0;
  while (i < arguments.size() && arguments[i].name != argument) ++i;
  return i;
}

const OpSchema* find_schema(std::string_view op) {
  static SchemaCache cache;
  return cache.find(op);
}

std::vector<NamedArgument> make_args(std::string_view op, std::vector<NamedArgument> given) {
  const OpSchema* schema = find_schema(op);
  if (schema == nullptr) throw Error(fmt::format("operator {} has no schema", op));
  std::vector<NamedArgument> args;
  std::vector<bool> present(schema->arguments.size(), false);
  args.reserve(schema->arguments.size());
  for (const SchemaArgument& argument : schema->arguments) {
    args.push_back({argument.name, argument.default_value.value_or(Argument())});
  }
  for (NamedArgument& arg : given) {
    const size_t i = schema->find(arg.name);
    if (i == args.size()) throw Error(fmt::format("operator {} has no argument '{}'", op, arg.name));
    if (present[i]) throw Error(fmt::format("operator {} is given its argument '{}' twice", op, arg.name));
    present[i] = true;
    args[i].value = normalise(schema->arguments[i].type, std::move(arg.value));
  }
  for (size_t i = 0; i < args.size(); ++i) {
    const SchemaArgument& argument = schema->arguments[i];
    if (!present[i] && !argument.default_value) {
      throw Error(fmt::format("operator {} needs its argument '{}'", op, argument.name));
    }
  }
  return args;
}

bool is_default(const SchemaArgument& argument, const Argument& value) {
  return argument.default_value.has_value() && *argument.default_value == value;
}

}  // namespace tinyml
