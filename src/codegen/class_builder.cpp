#include "codegen/class_builder.h"

#include <algorithm>

namespace tinyml::codegen {
namespace {

constexpr std::string_view kSequentialType = "torch.nn.modules.container.Sequential";

std::string class_key(const std::string& type, const std::string& base, const std::vector<Statement>& statements,
                      const Body& body) {
  std::string key = class_name_of(type) + "\n" + base + "\n";
  for (const Statement& statement : statements) {
    key += statement.target + "=" + statement.text + (statement.has_construct ? skeleton_of(statement.construct) : "") +
           "\n";
  }
  key += join(body.parameters, ",") + "\n" + join(body.lines, "\n") + "\n" + body.shape.output_pattern;
  return key;
}

bool same_text(const Body& a, const Body& b) {
  return a.lines == b.lines && a.parameters == b.parameters && a.shape.outputs.size() == b.shape.outputs.size();
}

}  // namespace

ClassBuilder::ClassBuilder(const Graph& graph, const Aliases& aliases, CallTree& calls, ModuleTree& modules,
                           std::string root_name)
    : graph_(graph), aliases_(aliases), calls_(calls), modules_(modules) {
  class_names_ = {std::move(root_name), "load", "F", "nn", "qnn", "torch", "Path", "OrderedDict"};
  for (const Call& call : calls.calls()) types_.emplace(call.path, call.type);
}

const std::string& ClassBuilder::type_of(const std::string& path) const {
  static const std::string none;
  const auto found = types_.find(path);
  return found == types_.end() ? none : found->second;
}

void ClassBuilder::build() {
  size_t highest = 0;
  for (const std::string& path : modules_.paths()) highest = std::max(highest, modules_.info(path).height);
  for (size_t height = 0; height <= highest; ++height) {
    std::vector<std::string> level;
    for (const std::string& path : modules_.paths()) {
      if (modules_.info(path).height == height) level.push_back(path);
    }
    for (const std::string& path : level) build_path(path);
    make_classes(level);
  }
}

void ClassBuilder::build_path(const std::string& path) {
  instances_[path];
  const std::vector<CallId> ids = calls_.calls_of(path);
  if (!ids.empty() && (build_leaf(path, ids) || build_composite(path, ids))) return;
  if (!ids.empty()) dissolve_all(path, ids);
  if (can_be_dictionary(path)) modules_.set_dictionary(path);
}

void ClassBuilder::dissolve_all(const std::string& path, const std::vector<CallId>& ids) {
  for (const CallId id : ids) calls_.dissolve(id);
  modules_.drop_constants(path);
  instances_[path] = Instance{};
}

bool ClassBuilder::build_leaf(const std::string& path, const std::vector<CallId>& ids) {
  std::optional<ModuleForm> first;
  std::map<CallId, CallShape> shapes;
  for (const CallId id : ids) {
    const LeafGroup group(graph_, aliases_, calls_, id);
    std::optional<ModuleForm> form = find_module_form(group);
    if (!form) return false;
    if (first && to_string(first->constructor) != to_string(form->constructor)) return false;
    shapes[id] = CallShape{form->inputs, form->outputs, form->input_pattern, form->output_pattern};
    if (!first) first = std::move(form);
  }
  for (auto& [id, shape] : shapes) shapes_[id] = std::move(shape);
  Instance& instance = instances_.at(path);
  instance.kind = Kind::kLeaf;
  instance.construct = Construct::of(first->constructor);
  return true;
}

bool ClassBuilder::build_composite(const std::string& path, const std::vector<CallId>& ids) {
  const std::string& type = type_of(path);
  const ModuleInfo& info = modules_.info(path);
  // A library module whose own form did not fit, with nothing to keep: better written where it is used.
  const bool library = type.starts_with("torch.nn.modules.");
  if (library && info.children.empty() && info.tensors.empty()) return false;
  ForwardWriter writer(graph_, aliases_, calls_, modules_, shapes_);
  const bool chain =
      ids.size() == 1 || std::all_of(ids.begin(), ids.end(), [&](CallId id) { return writer.is_chain(id); });
  const bool is_chain = chain && writer.is_chain(ids[0]);
  if (type == kSequentialType && !is_chain) return false;

  std::vector<Body> bodies;
  for (const CallId id : ids) bodies.push_back(writer.write(id, ids.size() == 1));
  for (const Body& body : bodies) {
    if (!same_text(body, bodies[0])) return false;
  }
  for (size_t i = 0; i < ids.size(); ++i) shapes_[ids[i]] = bodies[i].shape;
  Instance& instance = instances_.at(path);
  const bool named =
      std::all_of(info.children.begin(), info.children.end(), [](const auto& name) { return is_identifier(name); });
  if (type == kSequentialType) {
    instance.kind = Kind::kSequential;
    return true;
  }
  instance.kind = Kind::kClass;
  instance.base = "nn.Module";
  instance.body = std::move(bodies[0]);
  if (modules_.is_list(path) || (is_chain && !named)) {
    instance.base = is_chain ? "nn.Sequential" : "nn.ModuleList";
    if (is_chain) instance.body.lines.clear();
  }
  for (const Binding* constant : instance.body.constants) {
    constants_[path + "." + modules_.add_constant(path, *constant)] = constant;
  }
  instance.statements = statements_for(path);
  return true;
}

void ClassBuilder::make_classes(const std::vector<std::string>& paths) {
  std::map<std::string, std::vector<std::string>> by_key;
  std::vector<std::string> order;
  for (const std::string& path : paths) {
    const Instance& instance = instances_.at(path);
    if (instance.kind != Kind::kClass) continue;
    const std::string key = class_key(type_of(path), instance.base, instance.statements, instance.body);
    if (by_key[key].empty()) order.push_back(key);
    by_key[key].push_back(path);
  }
  for (const std::string& key : order) {
    const std::vector<std::string>& group = by_key.at(key);
    classes_.push_back(make_class(class_name(type_of(group[0])), group));
  }
}

std::string ClassBuilder::class_name(const std::string& type) {
  const std::string base = class_name_of(type);
  std::string name = base;
  for (int suffix = 2; !class_names_.insert(name).second; ++suffix) name = base + std::to_string(suffix);
  return name;
}

ClassText ClassBuilder::make_class(const std::string& name, const std::vector<std::string>& paths) {
  std::vector<std::vector<Slot>> slots;  // Of each instance.
  for (const std::string& path : paths) {
    std::vector<Slot>& own = slots.emplace_back();
    for (const Statement& statement : instances_.at(path).statements) {
      if (!statement.has_construct) continue;
      collect_slots(statement.construct, split_path(statement.target).second, own);
    }
  }
  ClassText result;
  result.name = name;
  result.base = instances_.at(paths[0]).base;
  result.statements = instances_.at(paths[0]).statements;
  result.body = instances_.at(paths[0]).body;

  std::map<std::vector<std::string>, std::string> parameter_of;
  std::map<std::string, std::string> default_of;
  std::vector<std::vector<std::string>> columns;
  std::map<std::string, int> uses;  // How many different parameters would like the name.
  std::vector<std::vector<std::string>> varying;
  for (size_t s = 0; s < slots[0].size(); ++s) {
    std::vector<std::string> column;
    for (const auto& own : slots) column.push_back(own[s].value);
    const bool constant =
        std::all_of(column.begin(), column.end(), [&](const auto& value) { return value == column[0]; });
    if (!constant && std::find(varying.begin(), varying.end(), column) == varying.end()) {
      varying.push_back(column);
      ++uses[slots[0][s].name];
    }
    columns.push_back(std::move(column));
  }
  std::set<std::string> taken = {"self"};
  std::vector<std::string> parameters;
  for (size_t s = 0; s < columns.size(); ++s) {
    const std::vector<std::string>& column = columns[s];
    if (std::find(varying.begin(), varying.end(), column) == varying.end()) {
      result.values.push_back(column[0]);
      continue;
    }
    auto entry = parameter_of.find(column);
    if (entry == parameter_of.end()) {
      const Slot& slot = slots[0][s];
      const bool prefixed = uses.at(slot.name) > 1 && !slot.owner.empty() && !slot.name.starts_with(slot.owner + "_");
      const std::string wish = to_identifier(prefixed ? slot.owner + "_" + slot.name : slot.name);
      std::string chosen = wish;
      for (int suffix = 2; !taken.insert(chosen).second; ++suffix) chosen = wish + std::to_string(suffix);
      entry = parameter_of.emplace(column, chosen).first;
      parameters.push_back(chosen);
      default_of[chosen] = slot.style == ArgumentStyle::kPositional ? "" : slot.default_value;
    }
    // The argument's own default is the parameter's, unless it also stands where there is none.
    std::string& common = default_of.at(entry->second);
    if (slots[0][s].style == ArgumentStyle::kPositional || slots[0][s].default_value != common) common.clear();
    result.values.push_back(entry->second);
  }
  std::stable_partition(parameters.begin(), parameters.end(), [&](const auto& p) { return default_of.at(p).empty(); });
  for (const std::string& parameter : parameters) {
    const std::string& value = default_of.at(parameter);
    result.parameters.push_back(value.empty() ? parameter : parameter + "=" + value);
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    Construct construct;
    construct.callee = name;
    for (const std::string& parameter : parameters) {
      for (const auto& [column, chosen] : parameter_of) {
        if (chosen != parameter) continue;
        construct.slots.push_back(Slot{parameter, "", column[i], ArgumentStyle::kKeyword, default_of.at(parameter)});
      }
    }
    instances_.at(paths[i]).construct = std::move(construct);
  }
  return result;
}

ClassText ClassBuilder::build_root(const RootSignature& signature, std::map<ValueId, std::string>& output_names) {
  ForwardWriter writer(graph_, aliases_, calls_, modules_, shapes_);
  ClassText root;
  root.body = writer.write_root(signature, output_names);
  if (modules_.is_list("")) root.base = "nn.ModuleList";
  for (const Binding* constant : root.body.constants) constants_[modules_.add_constant("", *constant)] = constant;
  root.statements = statements_for("");
  for (const auto& [alias, target] : aliases_.module_aliases()) {
    const auto [parent, name] = split_path(alias);
    const std::string holder = modules_.access("", parent);
    const std::string text =
        is_identifier(name) ? holder + "." + name + " = " + modules_.access("", target)
                            : holder + ".add_module(" + string_literal(name) + ", " + modules_.access("", target) + ")";
    root.statements.push_back(Statement{"", text, {}, false});
  }
  for (const Binding& binding : graph_.bindings()) {
    const std::string& canonical = aliases_.canonical_name(binding.fqn);
    const std::string module = split_path(binding.fqn).first;
    if (canonical == binding.fqn || aliases_.canonical_path(module) != module) continue;
    root.statements.push_back(
        Statement{"", modules_.access("", binding.fqn) + " = " + modules_.access("", canonical), {}, false});
  }
  freeze("", root.statements);
  std::vector<Slot> slots;
  for (const Statement& statement : root.statements) {
    if (statement.has_construct) collect_slots(statement.construct, "", slots);
  }
  for (const Slot& slot : slots) root.values.push_back(slot.value);
  return root;
}

std::vector<ClassText> ClassBuilder::used_classes(const ClassText& root) const {
  std::set<std::string> used;
  const auto mark = [&](const auto& self, const Construct& construct) -> void {
    used.insert(construct.callee);
    for (const auto& [name, child] : construct.children) self(self, child);
  };
  for (const Statement& statement : root.statements) mark(mark, statement.construct);
  for (auto it = classes_.rbegin(); it != classes_.rend(); ++it) {
    if (used.count(it->name) == 0) continue;
    for (const Statement& statement : it->statements) mark(mark, statement.construct);
  }
  std::vector<ClassText> result;
  for (const ClassText& text : classes_) {
    if (used.count(text.name) > 0) result.push_back(text);
  }
  return result;
}

}  // namespace tinyml::codegen
