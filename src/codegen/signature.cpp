#include "codegen/signature.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "codegen/python_text.h"

namespace tinyml::codegen {
namespace {

using Json = nlohmann::json;

/// A tree of containers; a node without kind is a leaf.
struct Tree {
  enum class Kind : uint8_t { kLeaf, kTuple, kList, kDict, kOrderedDict, kObject };
  Kind kind = Kind::kLeaf;
  std::vector<std::string> keys;  ///< Python literals of dictionaries; fields of objects.
  std::string class_name;         ///< Objects only.
  std::vector<std::string> none;  ///< Fields of an object that are None.
  std::vector<Tree> children;
};

std::string key_literal(const Json& key) {
  if (key.is_string()) return string_literal(key.get<std::string>());
  if (key.is_number() || key.is_boolean()) return key.is_boolean() ? bool_literal(key.get<bool>()) : key.dump();
  throw Error("A dictionary of the model's inputs or outputs has a key that is neither a string nor a number.");
}

/// Appends the strings of a JSON list; false if it is none, or holds what is no field.
bool add_fields(const Json& list, std::vector<std::string>& fields) {
  if (!list.is_array()) return false;
  return std::all_of(list.begin(), list.end(), [&](const Json& field) {
    if (!field.is_string() || !is_identifier(field.get<std::string>())) return false;
    fields.push_back(field.get<std::string>());
    return true;
  });
}

/// A class of the user's: its context is what register_dataclass writes, [fields, fields that are None], or the list of
/// fields.
bool parse_object(const std::string& name, const Json& context, Tree& tree) {
  const bool has_none = context.is_array() && context.size() == 2 && context[0].is_array();
  if (!add_fields(has_none ? context[0] : context, tree.keys)) return false;
  if (has_none && !add_fields(context[1], tree.none)) return false;
  if (tree.keys.size() != tree.children.size()) return false;
  tree.kind = Tree::Kind::kObject;
  tree.class_name = to_identifier(name.substr(name.rfind('.') + 1));
  return true;
}

Tree parse_tree(const Json& json, int depth) {
  if (depth > 32) throw Error("The model's inputs or outputs nest deeper than 32 containers.");
  Tree tree;
  if (!json.is_object()) throw Error("The archive's input or output specification cannot be read.");
  for (const Json& child : json.value("children_spec", Json::array()))
    tree.children.push_back(parse_tree(child, depth + 1));
  const auto type = json.find("type");
  if (type == json.end() || type->is_null()) return tree;
  const std::string name = type->get<std::string>();
  Json context = json.value("context", Json());
  if (context.is_string()) context = Json::parse(context.get<std::string>(), nullptr, false);
  if (name == "builtins.tuple" || name == "collections.namedtuple") {
    tree.kind = Tree::Kind::kTuple;  // the archive does not say the fields of a named tuple
  } else if (name == "builtins.list") {
    tree.kind = Tree::Kind::kList;
  } else if (name == "builtins.dict" || name == "collections.OrderedDict") {
    tree.kind = name == "builtins.dict" ? Tree::Kind::kDict : Tree::Kind::kOrderedDict;
    if (!context.is_array() || context.size() != tree.children.size())
      throw Error("A dictionary's keys cannot be read.");
    for (const Json& key : context) tree.keys.push_back(key_literal(key));
  } else if (!parse_object(name, context, tree)) {
    throw Error("The model takes or returns a '" + name + "', which generated code cannot make.",
                "Let forward take and return tensors, tuples, lists, dictionaries or dataclasses.");
  }
  return tree;
}

/// nullopt for an absent specification.
std::optional<Tree> parse_spec(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array() || json.size() != 2) throw Error("The archive's input or output specification cannot be read.");
  return parse_tree(json[1], 0);
}

size_t count_leaves(const Tree& tree) {
  if (tree.kind == Tree::Kind::kLeaf) return 1;
  size_t count = 0;
  for (const Tree& child : tree.children) count += count_leaves(child);
  return count;
}

/// Names of forward's arguments as the original spells them; empty when the archive does not say.
std::vector<std::string> original_names(const Graph& graph) {
  const Json program = Json::parse(graph.archive.program, nullptr, false);
  if (program.is_discarded()) return {};
  for (const char* pointer : {"/graph_module/module_call_graph/0/signature/forward_arg_names",
                              "/module_call_graph/0/signature/forward_arg_names"}) {
    const Json::json_pointer where(pointer);
    if (!program.contains(where) || !program[where].is_array()) continue;
    std::vector<std::string> names;
    for (const Json& name : program[where]) names.push_back(name.is_string() ? name.get<std::string>() : "");
    return names;
  }
  return {};
}

class InputWriter {
 public:
  explicit InputWriter(const Graph& graph) : graph_(graph) {}

  InputText write() {
    std::vector<Tree> arguments;
    std::vector<std::string> names;
    size_t positional = graph_.inputs().size();
    if (const auto spec = parse_spec(graph_.archive.in_spec)) {
      if (spec->children.size() != 2) throw Error("The archive's input specification cannot be read.");
      arguments = spec->children[0].children;
      names.resize(arguments.size());
      positional = arguments.size();
      for (size_t i = 0; i < spec->children[1].children.size(); ++i) {
        arguments.push_back(spec->children[1].children[i]);
        const std::string& key = spec->children[1].keys.at(i);
        names.push_back(key.substr(1, key.size() - 2));
      }
    }
    size_t leaves = 0;
    for (const Tree& argument : arguments) leaves += count_leaves(argument);
    if (leaves != graph_.inputs().size()) {
      // A graph made without a specification: every input is an argument.
      arguments.assign(graph_.inputs().size(), Tree{});
      names.assign(arguments.size(), "");
    }
    const std::vector<std::string> original = original_names(graph_);
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (original.size() == arguments.size() && !original[i].empty()) names[i] = original[i];
      if (names[i].empty())
        names[i] =
            next_ + count_leaves(arguments[i]) <= graph_.inputs().size() && arguments[i].kind == Tree::Kind::kLeaf
                ? graph_.inputs()[next_].name
                : "argument_" + std::to_string(i);
      write_argument(unique(to_identifier(names[i])), arguments[i]);
    }
    order_defaults(positional);
    return std::move(result_);
  }

 private:
  /// An argument with a default may stand before one without only among those that are passed by keyword.
  void order_defaults(size_t positional) {
    std::vector<std::string>& parameters = result_.parameters;
    const auto has_default = [](const std::string& text) { return text.find('=') != std::string::npos; };
    bool required = false;
    bool mixed = false;
    for (size_t i = parameters.size(); i-- > 0;) {
      if (!has_default(parameters[i])) required = true;
      if (!has_default(parameters[i]) || !required) continue;
      if (i >= positional)
        mixed = true;
      else
        parameters[i].resize(parameters[i].find('='));
    }
    if (mixed) parameters.insert(parameters.begin() + static_cast<std::ptrdiff_t>(positional), "*");
  }

  std::string unique(const std::string& base) {
    std::string name = base;
    for (int suffix = 1; !taken_.insert(name).second; ++suffix) name = base + "_" + std::to_string(suffix);
    result_.signature.reserved.push_back(name);
    return name;
  }

  void write_argument(const std::string& name, const Tree& tree) {
    if (tree.kind != Tree::Kind::kLeaf) {
      result_.parameters.push_back(name);
      unpack(name, tree);
      return;
    }
    const Input& input = graph_.inputs()[next_++];
    if (input.value == kNoValue) {
      result_.parameters.push_back(name + "=" +
                                   argument_text(input.constant, [](ValueId) { return std::string("None"); }));
      return;
    }
    const bool tensor = graph_.value(input.value).kind == ValueKind::kTensor;
    result_.parameters.push_back(name + (tensor ? ": torch.Tensor" : ""));
    bind(input.value, name);
  }

  void bind(ValueId value, const std::string& name) {
    result_.signature.input_names[value] = name;
    if (result_.signature.device_of.empty() && graph_.value(value).kind == ValueKind::kTensor) {
      result_.signature.device_of = name;
    }
  }

  void unpack(const std::string& text, const Tree& tree) {
    for (size_t i = 0; i < tree.children.size(); ++i) {
      const std::string item = tree.kind == Tree::Kind::kObject
                                   ? text + "." + tree.keys[i]
                                   : text + "[" + (tree.keys.empty() ? std::to_string(i) : tree.keys[i]) + "]";
      if (tree.children[i].kind != Tree::Kind::kLeaf) {
        unpack(item, tree.children[i]);
        continue;
      }
      const Input& input = graph_.inputs()[next_++];
      if (input.value == kNoValue || graph_.is_unused(input.value)) continue;
      const std::string name = unique(to_identifier(input.name));
      result_.signature.prologue.push_back(name + " = " + item);
      bind(input.value, name);
    }
  }

  const Graph& graph_;
  InputText result_;
  std::set<std::string> taken_ = {"self", "torch", "nn", "F"};
  size_t next_ = 0;
};

/// Writes what forward returns, and the classes that takes.
class OutputWriter {
 public:
  OutputWriter(std::vector<std::string> leaves, std::set<std::string> taken)
      : leaves_(std::move(leaves)), taken_(std::move(taken)) {}

  std::string write(const Tree& tree) {
    if (tree.kind == Tree::Kind::kLeaf) {
      if (next_ >= leaves_.size()) throw Error("The output specification names more values than the graph returns.");
      return leaves_[next_++];
    }
    const bool object = tree.kind == Tree::Kind::kObject;
    const size_t own = object ? class_of(tree) : 0;
    std::vector<std::string> items;
    for (size_t i = 0; i < tree.children.size(); ++i) {
      const std::string item = write(tree.children[i]);
      items.push_back(tree.keys.empty() ? item : tree.keys[i] + (object ? "=" : ": ") + item);
    }
    if (object) return classes_[own].name + "(" + join(items, ", ") + ")";
    if (tree.kind == Tree::Kind::kTuple) return tuple_text(items);
    if (tree.kind == Tree::Kind::kList) return list_text(items);
    const std::string dictionary = "{" + join(items, ", ") + "}";
    return tree.kind == Tree::Kind::kDict ? dictionary : "OrderedDict(" + dictionary + ")";
  }

  bool all_written() const { return next_ == leaves_.size(); }

  std::vector<std::string> classes() const {
    std::vector<std::string> sources;
    for (const Class& type : classes_) {
      std::string source = "@dataclass\nclass " + type.name + ":\n";
      for (const bool optional : {false, true}) {  // a field with a default stands after those without
        for (const auto& [field, annotation] : type.fields) {
          if ((type.optional.count(field) > 0) != optional) continue;
          append_line(source, 4, field + ": " + annotation + (optional ? " | None = None" : ""));
        }
      }
      if (type.fields.empty()) source += "    pass\n";
      source += "\n\n";
      append_line(
          source, 0,
          "torch.export.register_dataclass(" + type.name + ", serialized_type_name=f\"{__name__}." + type.name + "\")");
      sources.push_back(std::move(source));
    }
    return sources;
  }

 private:
  struct Class {
    std::string original;
    std::string name;
    std::vector<std::pair<std::string, std::string>> fields;  ///< And their annotations.
    std::set<std::string> optional;
  };

  size_t class_of(const Tree& tree) {
    size_t index = 0;
    while (index < classes_.size() && classes_[index].original != tree.class_name) ++index;
    if (index == classes_.size()) {
      std::string name = tree.class_name;
      for (int suffix = 1; !taken_.insert(name).second; ++suffix) name = tree.class_name + std::to_string(suffix);
      classes_.push_back({tree.class_name, name, {}, {}});
    }
    for (size_t i = 0; i < tree.keys.size(); ++i) add_field(index, tree.keys[i], annotation(tree.children[i]));
    for (const std::string& field : tree.none) {
      add_field(index, field, "torch.Tensor");
      classes_[index].optional.insert(field);
    }
    return index;
  }

  void add_field(size_t index, const std::string& field, const std::string& type) {
    auto& fields = classes_[index].fields;
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& own) { return own.first == field; });
    if (found == fields.end()) fields.emplace_back(field, type);
  }

  static std::string annotation(const Tree& tree) {
    switch (tree.kind) {
      case Tree::Kind::kLeaf:
        return "torch.Tensor";
      case Tree::Kind::kTuple:
        return "tuple";
      case Tree::Kind::kList:
        return "list";
      case Tree::Kind::kObject:
        return "object";
      default:
        return "dict";
    }
  }

  std::vector<std::string> leaves_;
  std::set<std::string> taken_;
  std::vector<Class> classes_;
  size_t next_ = 0;
};

}  // namespace

InputText input_text(const Graph& graph) { return InputWriter(graph).write(); }

OutputText output_text(const Graph& graph, const std::map<ValueId, std::string>& names,
                       const std::set<std::string>& taken) {
  std::vector<std::string> leaves;
  for (const Output& output : graph.outputs()) {
    if (output.kind != OutputKind::kUser && output.kind != OutputKind::kLoss) continue;
    leaves.push_back(argument_text(output.value, [&](ValueId value) {
      const auto found = names.find(value);
      TINYML_CHECK(found != names.end());
      return found->second;
    }));
  }
  const auto spec = parse_spec(graph.archive.out_spec);
  if (!spec) return {leaves.size() == 1 ? leaves[0] : join(leaves, ", "), {}};
  OutputWriter writer(std::move(leaves), taken);
  std::string text = writer.write(*spec);
  if (!writer.all_written()) throw Error("The graph returns more values than its output specification names.");
  const bool tuple = text.starts_with('(') && spec->kind == Tree::Kind::kTuple && spec->children.size() > 1;
  if (tuple) text = text.substr(1, text.size() - 2);
  return {text, writer.classes()};
}

}  // namespace tinyml::codegen
