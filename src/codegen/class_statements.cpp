// What the constructors of generated classes register.
#include <algorithm>

#include "codegen/class_builder.h"

namespace tinyml::codegen {
namespace {

constexpr int64_t kLargestLiteral = 16;

/// Names that nn.ModuleDict has methods or attributes of its own for.
bool clashes_with_module(const std::string& name) {
  static const std::set<std::string> names = {
      "keys",       "values",    "items",        "pop",     "clear",      "update",   "type",       "forward",
      "train",      "eval",      "children",     "apply",   "cpu",        "cuda",     "to",         "float",
      "double",     "half",      "modules",      "buffers", "parameters", "training", "add_module", "register_buffer",
      "state_dict", "zero_grad", "share_memory", "compile", "extra_repr"};
  return names.count(name) > 0;
}

std::string shape_text(const Tensor& tensor) {
  if (tensor.rank() == 1) return std::to_string(tensor.size(0));
  std::vector<std::string> sizes;
  for (const int64_t size : tensor.shape()) sizes.push_back(std::to_string(size));
  return tuple_text(sizes);
}

std::string element_text(const Tensor& tensor, double value) {
  if (tensor.type() == ScalarType::kBool) return bool_literal(value != 0);
  if (!is_floating_point(tensor.type())) return std::to_string(static_cast<int64_t>(value));
  return float_literal(value);
}

std::string nested_literal(const Tensor& tensor, const std::vector<double>& values, size_t dim, size_t& next) {
  if (dim == tensor.shape().size()) return element_text(tensor, values.at(next++));
  std::vector<std::string> items;
  for (int64_t i = 0; i < tensor.shape()[dim]; ++i) items.push_back(nested_literal(tensor, values, dim + 1, next));
  return list_text(items);
}

bool is_default_type(ScalarType type) {
  return type == ScalarType::kFloat32 || type == ScalarType::kInt64 || type == ScalarType::kBool;
}

/// `construct` inside other text: the slot's surroundings.
Construct wrap(std::string before, Construct inner, const std::string& after) {
  inner.callee.insert(0, before);
  inner.suffix += after;
  return inner;
}

}  // namespace

std::string tensor_literal(const Tensor& tensor) {
  const bool complex = tensor.type() == ScalarType::kComplex64 || tensor.type() == ScalarType::kComplex128;
  if (complex || tensor.numel() > kLargestLiteral || tensor.numel() == 0) return "";
  const std::vector<double> values = tensor.to_doubles();
  // Integers of more than 53 bits do not survive the way through double.
  if (std::any_of(values.begin(), values.end(), [](double v) { return v != v || v > 9e15 || v < -9e15; })) return "";
  size_t next = 0;
  std::string text = "torch.tensor(" + nested_literal(tensor, values, 0, next);
  if (!is_default_type(tensor.type())) text += ", dtype=torch." + std::string(name_of(tensor.type()));
  return text + ")";
}

Construct empty_tensor(const Tensor& tensor, const std::string& name) {
  Construct construct;
  construct.kind = Construct::Kind::kRaw;
  construct.callee = "torch.zeros(";
  construct.slots.push_back(Slot{name + "_shape", "", shape_text(tensor), ArgumentStyle::kPositional, ""});
  if (tensor.type() != ScalarType::kFloat32) construct.suffix = ", dtype=torch." + std::string(name_of(tensor.type()));
  construct.suffix += ")";
  return construct;
}

bool ClassBuilder::can_be_dictionary(const std::string& path) const {
  const ModuleInfo& info = modules_.info(path);
  return !info.children.empty() && info.tensors.empty() && !modules_.is_list(path) &&
         std::none_of(info.children.begin(), info.children.end(), clashes_with_module);
}

bool ClassBuilder::is_empty(const std::string& path) const {
  if (instances_.at(path).kind != Kind::kHolder) return false;
  const ModuleInfo& info = modules_.info(path);
  return info.tensors.empty() && std::all_of(info.children.begin(), info.children.end(),
                                             [&](const std::string& name) { return is_empty(path + "." + name); });
}

void ClassBuilder::register_tensors(const std::string& path, const std::string& self,
                                    std::vector<Statement>& statements) {
  for (const OwnTensor& tensor : modules_.info(path).tensors) {
    const Tensor& data = tensor.binding->data;
    const bool named = is_identifier(tensor.name);
    if (tensor.binding->kind == BindingKind::kParameter) {
      const bool trainable = is_floating_point(data.type());
      Construct construct =
          wrap("nn.Parameter(", empty_tensor(data, tensor.name), trainable ? ")" : ", requires_grad=False)");
      if (named) {
        statements.push_back(Statement{self + "." + tensor.name, "", std::move(construct), true});
      } else {
        construct = wrap(self + ".register_parameter(" + string_literal(tensor.name) + ", ", std::move(construct), ")");
        statements.push_back(Statement{"", "", std::move(construct), true});
      }
      continue;
    }
    const bool persistent = tensor.binding->kind == BindingKind::kBuffer && tensor.binding->persistent;
    Construct construct = empty_tensor(data, tensor.name);
    if (const std::string literal = tensor_literal(data); !persistent && !literal.empty()) {
      construct = Construct{};
      construct.kind = Construct::Kind::kRaw;
      construct.slots.push_back(Slot{tensor.name, "", literal, ArgumentStyle::kPositional, ""});
    }
    construct = wrap(self + ".register_buffer(" + string_literal(tensor.name) + ", ", std::move(construct),
                     persistent ? ")" : ", persistent=False)");
    statements.push_back(Statement{"", "", std::move(construct), true});
  }
}

Construct ClassBuilder::numbered(const std::string& callee, Construct::Kind kind, const std::string& path,
                                 const std::string& self, std::vector<Statement>& deferred) {
  Construct construct;
  construct.kind = kind;
  construct.callee = callee;
  long next = 0;
  for (const std::string& name : modules_.info(path).children) {
    const std::string child = path.empty() ? name : path + "." + name;
    if (is_empty(child)) continue;
    // A module that runs nothing (an nn.Identity, as far as the graph can tell) leaves a gap in the numbers.
    for (; next < std::stol(name); ++next) {
      construct.children.emplace_back(std::to_string(next), Construct::of(CallText{"nn.Identity", {}}));
    }
    ++next;
    construct.children.emplace_back(name, construct_of(child, self + "[" + name + "]", deferred));
  }
  return construct;
}

/// The children's names are numbers without anything between, identifiers, or neither.
Construct ClassBuilder::sequential(const std::string& callee, const std::string& path, const std::string& self,
                                   std::vector<Statement>& deferred) {
  if (modules_.is_list(path)) return numbered(callee, Construct::Kind::kSequence, path, self, deferred);
  const ModuleInfo& info = modules_.info(path);
  const bool named =
      std::all_of(info.children.begin(), info.children.end(), [](const auto& name) { return is_identifier(name); });
  Construct construct;
  construct.kind = named ? Construct::Kind::kOrdered : Construct::Kind::kPairs;
  construct.callee = callee;
  for (const std::string& name : info.children) {
    const std::string child = path.empty() ? name : path + "." + name;
    if (!is_empty(child))
      construct.children.emplace_back(name, construct_of(child, modules_.access_child(path, self, name), deferred));
  }
  return construct;
}

/// `deferred`: what must be registered in a bare nn.Module after it has been made; `self` is the module's own access
/// text.
Construct ClassBuilder::construct_of(const std::string& path, const std::string& self,
                                     std::vector<Statement>& deferred) {
  const Instance& instance = instances_.at(path);
  const ModuleInfo& info = modules_.info(path);
  if (instance.kind == Kind::kLeaf || instance.kind == Kind::kClass) return instance.construct;
  if (instance.kind == Kind::kSequential) return sequential("nn.Sequential", path, self, deferred);
  if (modules_.is_list(path)) return numbered("nn.ModuleList", Construct::Kind::kList, path, self, deferred);
  Construct construct;
  if (modules_.is_dictionary(path)) {
    construct.kind = Construct::Kind::kDict;
    construct.callee = "nn.ModuleDict";
    for (const std::string& name : info.children) {
      if (is_empty(path + "." + name)) continue;
      construct.children.emplace_back(
          name, construct_of(path + "." + name, modules_.access_child(path, self, name), deferred));
    }
    return construct;
  }
  construct.callee = "nn.Module";
  register_tensors(path, self, deferred);
  register_children(path, self, deferred);
  return construct;
}

void ClassBuilder::register_children(const std::string& path, const std::string& self,
                                     std::vector<Statement>& statements) {
  for (const std::string& name : modules_.info(path).children) {
    const std::string child = path.empty() ? name : path + "." + name;
    if (is_empty(child)) continue;
    const bool named = is_identifier(name);
    const std::string access = named ? self + "." + name : "getattr(" + self + ", " + string_literal(name) + ")";
    std::vector<Statement> deferred;
    Construct construct = construct_of(child, access, deferred);
    if (named) {
      statements.push_back(Statement{access, "", std::move(construct), true});
    } else {
      Statement statement{"", self + ".add_module(" + string_literal(name) + ", {})", std::move(construct), true};
      statements.push_back(std::move(statement));
    }
    statements.insert(statements.end(), deferred.begin(), deferred.end());
  }
}

void ClassBuilder::freeze(const std::string& path, std::vector<Statement>& statements) const {
  size_t frozen = 0;
  size_t trainable = 0;
  for (const Binding& binding : graph_.bindings()) {
    if (binding.kind != BindingKind::kParameter || !is_inside(binding.fqn, path)) continue;
    if (!is_floating_point(binding.data.type())) continue;
    ++(graph_.tensor_type(binding.value).requires_grad ? trainable : frozen);
  }
  if (frozen == 0) return;
  if (trainable == 0) {
    statements.push_back(Statement{"", modules_.access("", path) + ".requires_grad_(False)", {}, false});
    return;
  }
  const ModuleInfo& info = modules_.info(path);
  for (const OwnTensor& tensor : info.tensors) {
    const Binding& binding = *tensor.binding;
    if (binding.kind != BindingKind::kParameter || graph_.tensor_type(binding.value).requires_grad) continue;
    if (!is_floating_point(binding.data.type())) continue;
    statements.push_back(Statement{"", modules_.access("", binding.fqn) + ".requires_grad_(False)", {}, false});
  }
  for (const std::string& name : info.children) freeze(path.empty() ? name : path + "." + name, statements);
}

std::vector<Statement> ClassBuilder::statements_for(const std::string& path) {
  std::vector<Statement> statements;
  const bool chain = instances_.count(path) > 0 && instances_.at(path).base == "nn.Sequential";
  if (chain || modules_.is_list(path)) {
    // The children are the arguments of the base class's constructor.
    std::vector<Statement> deferred;
    Construct construct = chain ? sequential("super().__init__", path, "self", deferred)
                                : numbered("super().__init__", Construct::Kind::kList, path, "self", deferred);
    statements.push_back(Statement{"", "", std::move(construct), true});
    statements.insert(statements.end(), deferred.begin(), deferred.end());
    register_tensors(path, "self", statements);
    return statements;
  }
  register_tensors(path, "self", statements);
  register_children(path, "self", statements);
  return statements;
}

}  // namespace tinyml::codegen
