#include <algorithm>

#include "codegen/forward_frame.h"
#include "codegen/python_text.h"

namespace tinyml::codegen {
namespace {

/// Readable variable names for operators whose own name means something else in Python.
std::string variable_of_op(const std::string& op) {
  static const std::map<std::string, std::string, std::less<>> names = {
      {"sum", "total"},    {"max", "largest"},   {"min", "smallest"},  {"slice", "part"},  {"pow", "power"},
      {"abs", "size"},     {"round", "rounded"}, {"sym_size", "size"}, {"select", "item"}, {"index", "item"},
      {"t", "transposed"}, {"all", "every"},     {"any", "some"},      {"to", "cast"},     {"detach", "detached"},
  };
  const std::vector<std::string> parts = split(op, '.');
  std::string name = parts.size() > 1 ? parts[1] : op;
  while (name.ends_with('_')) name.pop_back();
  while (name.starts_with('_')) name.erase(0, 1);
  const auto renamed = names.find(name);
  return to_identifier(renamed == names.end() ? name : renamed->second);
}

}  // namespace

std::string ForwardWriter::item_name(const Item& item) const {
  if (item.kind == Item::Kind::kNode) return variable_of_op(graph_.node(item.node).op);
  const Call& call = calls_.call(item.call);
  const auto [parent, name] = split_path(call.path);
  if (!is_index(name)) return to_identifier(name);
  const std::string list = split_path(parent).second;
  if (list.empty() || is_index(list)) return to_identifier(to_snake_case(split_path(call.type).second));
  return to_identifier(list + "_" + name);
}

/// A value takes over the variable of an input that is not needed any more; a variable that lives through several steps
/// is `out`.
void ForwardWriter::assign_names(Frame& frame) const {
  const std::vector<Item>& items = calls_.call(frame.call).items;
  std::map<ValueId, size_t> variable;
  std::vector<std::string> base;
  std::vector<size_t> steps;
  NameSet names;
  for (const std::string& name : frame.reserved) names.add(name);
  const auto new_variable = [&](const std::string& name) {
    base.push_back(name);
    steps.push_back(0);
    return base.size() - 1;
  };
  std::vector<std::string> fixed;
  for (const ValueId input : frame.inputs) {
    const auto given = frame.names.find(input);
    variable[input] = new_variable("");
    fixed.resize(base.size());
    fixed.back() = given == frame.names.end() ? "" : given->second;
  }
  const auto is_output = [&](ValueId value) {
    return std::find(frame.outputs.begin(), frame.outputs.end(), value) != frame.outputs.end();
  };
  for (size_t i = 0; i < items.size(); ++i) {
    std::vector<ValueId> outputs;
    for (const ValueId value : writes(items[i])) {
      if (value != kNoValue) outputs.push_back(value);
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
      std::optional<size_t> taken;
      if (outputs.size() == 1) {
        for (const ValueId input : reads(items[i])) {
          if (taken || variable.count(input) == 0 || frame.last_use.at(input) != i || is_output(input)) continue;
          if (graph_.value(input).kind == graph_.value(outputs[0]).kind) taken = variable.at(input);
        }
      }
      const std::string name = item_name(items[i]) + (outputs.size() > 1 ? "_" + std::to_string(k) : "");
      variable[outputs[k]] = taken ? *taken : new_variable(name);
      fixed.resize(base.size());
      ++steps[variable[outputs[k]]];
    }
  }
  std::vector<std::string> text(base.size());
  for (size_t v = 0; v < base.size(); ++v) {
    if (!fixed[v].empty()) text[v] = fixed[v];
  }
  for (size_t v = 0; v < base.size(); ++v) {
    if (text[v].empty()) text[v] = names.add(steps[v] > 1 ? "out" : base[v]);
  }
  for (const auto& [value, v] : variable) frame.names[value] = text[v];
}

}  // namespace tinyml::codegen
