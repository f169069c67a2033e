#include "codegen/cpp_structs.h"

#include <algorithm>

#include "codegen/cpp_text.h"

namespace tinyml::codegen {
namespace {

constexpr std::string_view kSequentialType = "torch.nn.modules.container.Sequential";

std::string child_of(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

struct SlotValue {
  std::string name;
  std::string value;
};

/// The text cut at its slots: `replace(slot)` stands in their places.
template <typename Replace>
std::string with_slots(const std::string& text, Replace replace) {
  std::string out;
  size_t at = 0;
  for (size_t start = text.find('\x01'); start != std::string::npos; start = text.find('\x01', at)) {
    const size_t middle = text.find('\x02', start);
    const size_t end = text.find('\x03', middle);
    out += text.substr(at, start - at);
    out += replace(SlotValue{text.substr(start + 1, middle - start - 1), text.substr(middle + 1, end - middle - 1)});
    at = end + 1;
  }
  return out + text.substr(at);
}

std::string plain(const std::string& text) {
  return with_slots(text, [](const SlotValue& slot) { return slot.value; });
}

std::string shape_text(const Tensor& tensor) {
  std::vector<std::string> sizes;
  for (const int64_t size : tensor.shape()) sizes.push_back(slot_text("size", std::to_string(size)));
  return "{" + join(sizes, ", ") + "}";
}

std::string zeros(const Tensor& tensor) {
  const bool is_float = tensor.type() == ScalarType::kFloat32;
  return "torch::zeros(" + shape_text(tensor) + (is_float ? "" : ", " + cpp_scalar_type(tensor.type())) + ")";
}

/// The type a member of that module is declared with.
std::string declared_type(const CppLayer& module) {
  return module.kind == CppLayer::Kind::kStruct ? "std::shared_ptr<" + module.type + ">" : module.type;
}

}  // namespace

CppStructBuilder::CppStructBuilder(const Graph& graph, const Aliases& aliases, CallTree& calls, ModuleTree& modules,
                                   std::string root_name)
    : graph_(graph), aliases_(aliases), calls_(calls), modules_(modules), root_name_(std::move(root_name)) {
  names_ = {root_name_, "load", "is_true", "read_safetensors", "torch", "at", "c10", "std"};
  for (const Call& call : calls.calls()) types_.emplace(call.path, call.type);
}

bool CppStructBuilder::is_empty(const std::string& path) const {
  const ModuleInfo& info = modules_.info(path);
  return info.tensors.empty() && std::all_of(info.children.begin(), info.children.end(), [&](const std::string& name) {
           return written_.at(child_of(path, name)).kind == CppLayer::Kind::kEmpty;
         });
}

std::vector<std::string> CppStructBuilder::build() {
  size_t highest = 0;
  for (const std::string& path : modules_.paths()) highest = std::max(highest, modules_.info(path).height);
  for (size_t height = 0; height <= highest; ++height) {
    std::vector<std::string> level;
    for (const std::string& path : modules_.paths()) {
      if (modules_.info(path).height == height) level.push_back(path);
    }
    for (const std::string& path : level) build_path(path);
    make_structs(level);
  }
  Draft root;
  CppForwardWriter writer(graph_, aliases_, calls_, modules_, shapes_, written_);
  root.body = writer.write_root_body();
  root.has_forward = true;
  for (const Binding* constant : root.body.constants) constants_[modules_.add_constant("", *constant)] = constant;
  write_members("", root);
  write_frozen(root);
  sources_.push_back(source_of(root_name_, root, {}));
  return sources_;
}

void CppStructBuilder::build_path(const std::string& path) {
  const std::vector<CallId> ids = calls_.calls_of(path);
  if (!ids.empty() && (build_library(path, ids) || build_body(path, ids))) return;
  for (const CallId id : ids) calls_.dissolve(id);
  modules_.drop_constants(path);
  if (is_empty(path)) {
    written_[path].kind = CppLayer::Kind::kEmpty;
    return;
  }
  write_members(path, drafts_[path]);
}

bool CppStructBuilder::build_library(const std::string& path, const std::vector<CallId>& ids) {
  for (const OwnTensor& tensor : modules_.info(path).tensors) {
    if (aliases_.canonical_name(tensor.binding->fqn) != tensor.binding->fqn) return false;
  }
  std::optional<CppLayer> first;
  std::map<CallId, CallShape> shapes;
  for (const CallId id : ids) {
    const std::optional<ModuleForm> form = find_module_form(LeafGroup(graph_, aliases_, calls_, id));
    if (!form || form->inputs.size() != 1 || form->outputs.size() != 1) return false;
    if (!form->input_pattern.empty() || !form->output_pattern.empty()) return false;
    std::optional<CppLayer> module = find_library_module(form->constructor);
    if (!module || (first && first->construct != module->construct)) return false;
    shapes[id] = CallShape{form->inputs, form->outputs, "", ""};
    first = std::move(module);
  }
  for (auto& [id, shape] : shapes) shapes_[id] = std::move(shape);
  written_[path] = *first;
  return true;
}

/// Whether each of the calls runs the children "0", "1", ... one after another, as torch::nn::Sequential does.
bool CppStructBuilder::is_sequential(const std::string& path, const std::vector<CallId>& ids) const {
  const ForwardWriter writer(graph_, aliases_, calls_, modules_, shapes_);
  const ModuleInfo& info = modules_.info(path);
  for (size_t i = 0; i < info.children.size(); ++i) {
    if (info.children[i] != std::to_string(i)) return false;
  }
  return types_.at(path) == kSequentialType &&
         std::all_of(ids.begin(), ids.end(), [&](CallId id) { return writer.is_chain(id); });
}

bool CppStructBuilder::build_body(const std::string& path, const std::vector<CallId>& ids) {
  const ModuleInfo& info = modules_.info(path);
  const bool library = types_.at(path).starts_with("torch.nn.modules.");
  // A library module with nothing to keep is better written where it is used.
  if (library && info.children.empty() && info.tensors.empty()) return false;
  const bool chain = is_sequential(path, ids);
  if (types_.at(path) == kSequentialType && !chain) return false;
  // The library's Sequential holds no Sequential: its forward is a template.
  const bool sequential = chain && std::none_of(info.children.begin(), info.children.end(), [&](const auto& name) {
                            return written_.at(child_of(path, name)).kind == CppLayer::Kind::kSequential;
                          });
  CppForwardWriter writer(graph_, aliases_, calls_, modules_, shapes_, written_);
  std::vector<CppBody> bodies;
  for (const CallId id : ids) bodies.push_back(writer.write_body(id, ids.size() == 1));
  for (const CppBody& body : bodies) {
    if (body.lines != bodies[0].lines || body.parameters != bodies[0].parameters || body.returns != bodies[0].returns)
      return false;
  }
  for (size_t i = 0; i < ids.size(); ++i) shapes_[ids[i]] = bodies[i].shape;
  if (sequential) {
    CppLayer& module = written_[path];
    module.kind = CppLayer::Kind::kSequential;
    module.type = "torch::nn::Sequential";
    std::vector<std::string> children;
    for (const std::string& name : info.children) children.push_back(written_.at(child_of(path, name)).construct);
    module.construct = module.type + "(" + join(children, ", ") + ")";
    return true;
  }
  Draft& draft = drafts_[path];
  draft.body = std::move(bodies[0]);
  draft.has_forward = true;
  for (const Binding* constant : draft.body.constants) {
    constants_[child_of(path, modules_.add_constant(path, *constant))] = constant;
  }
  write_members(path, draft);
  return true;
}

void CppStructBuilder::write_members(const std::string& path, Draft& draft) const {
  std::vector<std::string> tensors;
  const ModuleInfo& info = modules_.info(path);
  for (const OwnTensor& tensor : info.tensors) {
    const Binding& binding = *tensor.binding;
    if (binding.kind != BindingKind::kConstant && aliases_.canonical_name(binding.fqn) != binding.fqn) continue;
    const std::string member = cpp_name(tensor.name);
    tensors.push_back(member);
    const bool parameter = binding.kind == BindingKind::kParameter;
    const bool trainable = is_floating_point(binding.data.type());
    draft.constructor += member + " = register_" + (parameter ? "parameter" : "buffer") + "(" +
                         string_literal(tensor.name) + ", " + zeros(binding.data) +
                         (parameter && !trainable ? ", false" : "") + ");\n";
  }
  for (const std::string& name : info.children) {
    const CppLayer& module = written_.at(child_of(path, name));
    if (module.kind == CppLayer::Kind::kEmpty) continue;
    const std::string member = cpp_name(name);
    const bool holder = module.kind != CppLayer::Kind::kStruct;
    draft.members += "  " + declared_type(module) + " " + member + (holder ? "{nullptr};\n" : ";\n");
    draft.constructor +=
        "    " + member + " = register_module(" + string_literal(name) + ", " + module.construct + ");\n";
  }
  if (!tensors.empty()) draft.members += "  torch::Tensor " + join(tensors, ", ") + ";\n";
}

void CppStructBuilder::write_frozen(Draft& draft) const {
  for (const Binding& binding : graph_.bindings()) {
    if (binding.kind != BindingKind::kParameter || !is_floating_point(binding.data.type())) continue;
    if (graph_.tensor_type(binding.value).requires_grad || aliases_.canonical_name(binding.fqn) != binding.fqn)
      continue;
    draft.constructor += "    " + cpp_access(written_, "", binding.fqn) + ".requires_grad_(false);\n";
  }
}

std::string CppStructBuilder::struct_name(const std::string& path) {
  const auto type = types_.find(path);
  std::string base = type == types_.end() ? "" : class_name_of(type->second);
  if (base.empty()) base = "Modules";
  std::string name = cpp_name(base);
  for (int suffix = 2; !names_.insert(name).second; ++suffix) name = base + std::to_string(suffix);
  return name;
}

/// Modules that differ in numbers only share a struct, whose constructor takes the numbers.
void CppStructBuilder::make_structs(const std::vector<std::string>& paths) {
  std::map<std::string, std::vector<std::string>> by_key;
  std::vector<std::string> order;
  for (const std::string& path : paths) {
    const auto found = drafts_.find(path);
    if (found == drafts_.end()) continue;
    const Draft& draft = found->second;
    const auto type = types_.find(path);
    std::string key = (type == types_.end() ? "" : type->second) + "\n" + draft.members;
    key += with_slots(draft.constructor, [](const SlotValue& slot) { return "<" + slot.name + ">"; });
    key += join(draft.body.parameters, ", ") + draft.body.returns + join(draft.body.lines, "\n");
    if (by_key[key].empty()) order.push_back(key);
    by_key[key].push_back(path);
  }
  for (const std::string& key : order) {
    const std::vector<std::string>& group = by_key.at(key);
    std::vector<std::vector<SlotValue>> slots;
    for (const std::string& path : group) {
      std::vector<SlotValue>& own = slots.emplace_back();
      with_slots(drafts_.at(path).constructor, [&](const SlotValue& slot) {
        own.push_back(slot);
        return std::string();
      });
    }
    std::map<std::vector<std::string>, std::string> parameter_of;
    std::vector<std::vector<std::string>> parameters;  // Values in each instance.
    std::vector<std::string> texts;
    std::set<std::string> taken;
    for (size_t s = 0; s < slots[0].size(); ++s) {
      std::vector<std::string> column;
      for (const auto& own : slots) column.push_back(own[s].value);
      if (std::all_of(column.begin(), column.end(), [&](const auto& value) { return value == column[0]; })) {
        texts.push_back(column[0]);
        continue;
      }
      auto entry = parameter_of.find(column);
      if (entry == parameter_of.end()) {
        const std::string wish = cpp_name(slots[0][s].name);
        std::string chosen = wish;
        for (int suffix = 2; !taken.insert(chosen).second; ++suffix) chosen = wish + std::to_string(suffix);
        entry = parameter_of.emplace(column, chosen).first;
        parameters.push_back(column);
      }
      texts.push_back(entry->second);
    }
    const std::string name = struct_name(group[0]);
    Draft draft = drafts_.at(group[0]);
    size_t next = 0;
    draft.constructor = with_slots(draft.constructor, [&](const SlotValue&) { return texts[next++]; });
    std::vector<std::string> declared;
    for (const auto& column : parameters) declared.push_back("int64_t " + parameter_of.at(column));
    sources_.push_back(source_of(name, draft, declared));
    for (size_t i = 0; i < group.size(); ++i) {
      std::vector<std::string> arguments;
      for (const auto& column : parameters) arguments.push_back(slot_text(parameter_of.at(column), column[i]));
      written_[group[i]] =
          CppLayer{CppLayer::Kind::kStruct, name, "std::make_shared<" + name + ">(" + join(arguments, ", ") + ")"};
    }
  }
}

std::string CppStructBuilder::source_of(const std::string& name, const Draft& draft,
                                        const std::vector<std::string>& parameters) const {
  std::string out = "struct " + name + " : torch::nn::Module {\n";
  if (!draft.constructor.empty()) {
    append_cpp_line(
        out, 2, std::string(parameters.size() == 1 ? "explicit " : "") + name + "(" + join(parameters, ", ") + ") {");
    for (const std::string& line : split(plain(draft.constructor), '\n')) {
      if (!line.empty()) append_cpp_line(out, 4, std::string_view(line).substr(line.find_first_not_of(' ')));
    }
    out += "  }\n\n";
  }
  if (draft.has_forward) {
    append_cpp_line(out, 2, draft.body.returns + " forward(" + join(draft.body.parameters, ", ") + ") {");
    for (const std::string& line : draft.body.lines) append_cpp_line(out, 4, line);
    out += "  }\n";
    if (!draft.members.empty()) out += '\n';
  }
  return out + draft.members + "};\n";
}

NamedTensors CppStructBuilder::weights() const {
  NamedTensors result;
  for (const Binding& binding : graph_.bindings()) {
    if (binding.kind == BindingKind::kConstant || aliases_.canonical_name(binding.fqn) != binding.fqn) continue;
    result.emplace_back(binding.fqn, binding.data);
  }
  for (const auto& [name, binding] : constants_) result.emplace_back(name, binding->data);
  return result;
}

}  // namespace tinyml::codegen
