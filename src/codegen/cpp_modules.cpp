#include "codegen/cpp_modules.h"

#include <algorithm>

#include "codegen/cpp_text.h"

namespace tinyml::codegen {
namespace {

/// A class of torch::nn whose options have Python's names, the first `positional` of them without.
struct LibraryModule {
  std::string_view name;
  size_t positional = 0;
  bool has_options = true;
};

constexpr LibraryModule kModules[] = {
    {"Conv1d", 3},
    {"Conv2d", 3},
    {"Conv3d", 3},
    {"ConvTranspose1d", 3},
    {"ConvTranspose2d", 3},
    {"ConvTranspose3d", 3},
    {"Linear", 2},
    {"BatchNorm1d", 1},
    {"BatchNorm2d", 1},
    {"BatchNorm3d", 1},
    {"InstanceNorm1d", 1},
    {"InstanceNorm2d", 1},
    {"InstanceNorm3d", 1},
    {"GroupNorm", 2},
    {"LayerNorm", 1},
    {"Embedding", 2},
    {"PReLU", 0},
    {"MaxPool1d", 1},
    {"MaxPool2d", 1},
    {"MaxPool3d", 1},
    {"AvgPool1d", 1},
    {"AvgPool2d", 1},
    {"AvgPool3d", 1},
    {"AdaptiveAvgPool1d", 1},
    {"AdaptiveAvgPool2d", 1},
    {"AdaptiveAvgPool3d", 1},
    {"ReLU", 0},
    {"ReLU6", 0},
    {"Sigmoid", 0, false},
    {"Tanh", 0, false},
    {"SiLU", 0, false},
    {"Mish", 0, false},
    {"GELU", 0},
    {"LeakyReLU", 0},
    {"ELU", 0},
    {"SELU", 0},
    {"CELU", 0},
    {"Hardtanh", 0},
    {"Softplus", 0},
    {"Dropout", 0},
    {"Softmax", 1},
    {"LogSoftmax", 1},
    {"Flatten", 0},
    {"Identity", 0, false},
};

/// A literal of Python as C++ has it; nullopt where that is not the same text in other letters.
std::optional<std::string> translate(const std::string& name, const std::string& value) {
  if (value == "True") return "true";
  if (value == "False") return "false";
  if (value == "None") return "std::nullopt";
  if (value.find("None") != std::string::npos || value.find("float(") != std::string::npos) return std::nullopt;
  if (name == "padding" && value.starts_with('"')) return value == "\"same\"" ? "torch::kSame" : "torch::kValid";
  if (name == "padding_mode") {
    if (value == "\"zeros\"") return "torch::kZeros";
    if (value == "\"reflect\"") return "torch::kReflect";
    if (value == "\"replicate\"") return "torch::kReplicate";
    return value == "\"circular\"" ? std::optional<std::string>("torch::kCircular") : std::nullopt;
  }
  if (value.starts_with('(') && value.ends_with(')')) {
    std::string inner = value.substr(1, value.size() - 2);
    if (inner.ends_with(',')) inner.pop_back();
    return "{" + inner + "}";
  }
  const bool number = std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? slot_text(name, value) : value;
}

std::string child_of(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

}  // namespace

std::string slot_text(const std::string& name, const std::string& value) {
  return '\x01' + name + '\x02' + value + '\x03';
}

std::optional<CppLayer> find_library_module(const CallText& constructor) {
  if (!constructor.callee.starts_with("nn.")) return std::nullopt;
  const std::string name = constructor.callee.substr(3);
  const auto* entry =
      std::find_if(std::begin(kModules), std::end(kModules), [&](const auto& m) { return m.name == name; });
  if (entry == std::end(kModules)) return std::nullopt;
  std::vector<std::string> positional;
  std::string setters;
  for (const CallArgument& argument : constructor.arguments) {
    const bool is_default = argument.style != ArgumentStyle::kPositional && argument.value == argument.default_value;
    if (argument.name == "inplace" || is_default) continue;
    std::optional<std::string> value = translate(argument.name, argument.value);
    if (!value || argument.name == "dtype" || argument.name == "return_indices" || argument.name == "device") {
      return std::nullopt;
    }
    if (positional.size() < entry->positional) {
      if (name == "LayerNorm" && !value->starts_with('{')) value = "{" + *value + "}";
      positional.push_back(*value);
      continue;
    }
    if (name == "LayerNorm" && argument.name == "bias") return std::nullopt;
    if (setters.size() + positional.size() > 0 || entry->has_options)
      setters += "." + argument.name + "(" + *value + ")";
  }
  if (positional.size() != entry->positional || (!entry->has_options && !setters.empty())) return std::nullopt;
  CppLayer module;
  module.kind = CppLayer::Kind::kLibrary;
  module.type = "torch::nn::" + name;
  const bool bare = !entry->has_options || (positional.empty() && setters.empty());
  module.construct =
      module.type + (bare ? "()" : "(" + module.type + "Options(" + join(positional, ", ") + ")" + setters + ")");
  return module;
}

std::string cpp_access(const CppLayers& modules, const std::string& module, const std::string& path) {
  std::string text;
  std::string at = module;
  bool reference = false;
  for (const std::string& name : split(relative_path(path, module), '.')) {
    const auto parent = modules.find(at);
    const std::string child = child_of(at, name);
    const auto own = modules.find(child);
    if (!text.empty()) text += reference ? "." : "->";
    reference = false;
    if (parent != modules.end() && parent->second.kind == CppLayer::Kind::kSequential && own != modules.end()) {
      const bool library = own->second.kind != CppLayer::Kind::kStruct;
      text += "at<" + own->second.type + (library ? "Impl" : "") + ">(" + name + ")";
      reference = true;
    } else {
      // Tensors of torch::nn's modules have the names they are registered under.
      const bool library = parent != modules.end() && parent->second.kind == CppLayer::Kind::kLibrary;
      text += library ? name : cpp_name(name);
    }
    at = child;
  }
  return text;
}

}  // namespace tinyml::codegen
