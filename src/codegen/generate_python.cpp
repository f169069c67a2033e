#include <filesystem>
#include <regex>
#include <set>

#include "codegen/class_builder.h"
#include "codegen/signature.h"
#include "tinyml/atomic_file.h"
#include "tinyml/codegen.h"
#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

using namespace codegen;  // NOLINT(google-build-using-namespace): this file is the room's front door.

constexpr std::string_view kReadSafetensors = R"(

def read_safetensors(path: str) -> dict[str, torch.Tensor]:
    """Tensors by name from a safetensors file."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    types = {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "I64": torch.int64,
        "I32": torch.int32,
        "I16": torch.int16,
        "I8": torch.int8,
        "U8": torch.uint8,
        "BOOL": torch.bool,
    }
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype, shape = types[entry["dtype"]], entry["shape"]
        if begin == end:
            tensors[name] = torch.empty(shape, dtype=dtype)
            continue
        count = (end - begin) // dtype.itemsize
        values = torch.frombuffer(data, dtype=dtype, count=count, offset=start + begin)
        tensors[name] = values.reshape(shape)
    return tensors
)";

std::string signature_line(const std::vector<std::string>& parameters, const std::string& returns) {
  std::vector<std::string> all = {"self"};
  all.insert(all.end(), parameters.begin(), parameters.end());
  return "def forward(" + join(all, ", ") + ")" + (returns.empty() ? "" : " -> " + returns) + ":";
}

/// append_line for a def: the text ends in a result annotation, so the bracket to break is the first.
void append_def(std::string& out, const std::string& line) {
  if (line.size() + 4 <= 100) {
    append_line(out, 4, line);
    return;
  }
  const size_t open = line.find('(');
  const size_t close = line.rfind(')');
  const std::string inner = line.substr(open + 1, close - open - 1);
  append_line(out, 4, line.substr(0, open + 1));
  if (inner.size() + 8 <= 100) {
    append_line(out, 8, inner);
  } else {
    for (std::string parameter : codegen::split(inner, ',')) {
      parameter.erase(0, parameter.find_first_not_of(' '));
      append_line(out, 8, parameter + ",");
    }
  }
  append_line(out, 4, line.substr(close));
}

std::string class_source(const ClassText& text) {
  std::string out = "class " + text.name + "(" + text.base + "):\n";
  std::vector<std::string> parameters = {"self"};
  parameters.insert(parameters.end(), text.parameters.begin(), text.parameters.end());
  const bool base_takes_children = text.base != "nn.Module";
  if (!text.statements.empty() || base_takes_children) {
    append_def(out, "def __init__(" + join(parameters, ", ") + "):");
    if (!base_takes_children) append_line(out, 8, "super().__init__()");
    size_t next = 0;
    for (const Statement& statement : text.statements) {
      if (!statement.has_construct) {
        append_line(out, 8, statement.text);
      } else if (!statement.text.empty()) {
        const size_t place = statement.text.find("{}");
        const std::string construct = construct_text(statement.construct, text.values, next);
        append_line(out, 8, statement.text.substr(0, place) + construct + statement.text.substr(place + 2));
      } else {
        const std::string prefix = statement.target.empty() ? "" : statement.target + " = ";
        append_construct(out, 8, prefix, "", statement.construct, text.values, next);
      }
    }
    if (!text.body.lines.empty()) out += '\n';
  }
  if (text.body.lines.empty()) return out;
  append_def(out, text.body.parameters.empty() ? "def forward(self):" : text.body.parameters[0]);
  for (const std::string& line : text.body.lines) append_line(out, 8, line);
  return out;
}

/// The forward line stands in for the parameters from here on.
void set_signature(Body& body, const std::vector<std::string>& parameters, bool returns_tensor) {
  body.parameters = {signature_line(parameters, returns_tensor ? "torch.Tensor" : "")};
}

bool mentions(const std::string& text, const std::string& word) {
  return std::regex_search(text, std::regex("(^|[^A-Za-z0-9_.\"])" + word));
}

NamedTensors weights_of(const Graph& graph, const std::map<std::string, const Binding*>& constants) {
  NamedTensors weights;
  NamedTensors others;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind == BindingKind::kConstant) continue;
    if (binding.kind == BindingKind::kParameter || binding.persistent) {
      weights.emplace_back(binding.fqn, binding.data);
    } else if (tensor_literal(binding.data).empty()) {
      others.emplace_back(binding.fqn, binding.data);
    }
  }
  for (const auto& [name, binding] : constants) {
    if (tensor_literal(binding->data).empty()) others.emplace_back(name, binding->data);
  }
  weights.insert(weights.end(), others.begin(), others.end());
  return weights;
}

std::string load_source(const CodegenOptions& options, bool has_others) {
  const bool safetensors = options.weights_path.ends_with(".safetensors");
  std::string parameter = "path: str";
  if (!options.weights_path.empty()) parameter += " | Path = WEIGHTS";
  std::string out = safetensors ? std::string(kReadSafetensors) : "";
  out += "\n\ndef load(" + parameter + ") -> " + options.class_name + ":\n";
  append_line(out, 4, "\"\"\"The model with its weights.\"\"\"");
  append_line(out, 4, "model = " + options.class_name + "()");
  append_line(out, 4,
              safetensors ? "weights = read_safetensors(path)" : "weights = torch.load(path, weights_only=True)");
  if (has_others) {
    append_line(out, 4, "names = model.state_dict().keys()");
    append_line(out, 4, "for name in weights.keys() - names:  # constants, which are not in the state_dict");
    append_line(out, 8, "model.get_buffer(name).copy_(weights.pop(name))");
  }
  append_line(out, 4, "model.load_state_dict(weights)");
  append_line(out, 4, "return model");
  return out;
}

std::string imports_source(const std::string& code) {
  std::string standard;
  if (mentions(code, "json\\.")) standard += "import json\n";
  if (mentions(code, "math\\.")) standard += "import math\n";
  if (mentions(code, "OrderedDict\\(")) standard += "from collections import OrderedDict\n";
  if (code.find("@dataclass\n") != std::string::npos) standard += "from dataclasses import dataclass\n";
  if (mentions(code, "Path\\(")) standard += "from pathlib import Path\n";
  std::string out = standard.empty() ? "" : standard + "\n";
  out += "import torch\n";
  if (mentions(code, "F\\.")) out += "import torch.nn.functional as F\n";
  if (mentions(code, "qnn\\.")) out += "from tinyml import nn as qnn\n";
  return out + "from torch import nn\n";
}

}  // namespace

PythonModule generate_python(const Graph& captured, const CodegenOptions& options) {
  if (!is_identifier(options.class_name)) {
    throw Error("'" + options.class_name + "' is not a Python class name.", "Use letters, digits and underscores.");
  }
  const Graph graph = normalize(captured);  // Most graphs are already, and are left as they are.
  const Aliases aliases(graph);
  CallTree calls(graph, aliases);
  ModuleTree modules(graph, aliases, calls);
  ClassBuilder builder(graph, aliases, calls, modules, options.class_name);
  builder.build();

  InputText inputs = input_text(graph);
  std::map<ValueId, std::string> names;
  ClassText root = builder.build_root(inputs.signature, names);
  root.name = options.class_name;
  std::vector<std::string>& lines = root.body.lines;
  lines.insert(lines.begin(), inputs.signature.prologue.begin(), inputs.signature.prologue.end());
  std::vector<ClassText> classes = builder.used_classes(root);
  std::set<std::string> taken = {root.name};
  for (const ClassText& text : classes) taken.insert(text.name);
  const OutputText output = output_text(graph, names, taken);
  const std::string& result = output.expression;
  // `x = f(x)` and then `return x` reads better as one line.
  if (!lines.empty() && lines.back().starts_with(result + " = ") && is_identifier(result)) {
    lines.back() = "return " + lines.back().substr(result.size() + 3);
  } else {
    lines.push_back("return " + result);
  }
  const bool one_tensor = is_identifier(result) || result.starts_with("self.");
  set_signature(root.body, inputs.parameters, one_tensor);

  std::string code;
  for (const std::string& source : output.classes) code += "\n\n" + source;
  for (ClassText& text : classes) {
    std::vector<std::string> parameters;
    for (size_t i = 0; i < text.body.parameters.size(); ++i) {
      parameters.push_back(text.body.parameters[i] + (text.body.tensors[i] ? ": torch.Tensor" : ""));
    }
    set_signature(text.body, parameters, text.body.shape.outputs.size() == 1);
    code += "\n\n" + class_source(text);
  }
  code += "\n\n" + class_source(root);

  PythonModule module;
  module.weights = weights_of(graph, builder.constants());
  size_t registered = 0;
  for (const Binding& binding : graph.bindings()) {
    registered +=
        binding.kind != BindingKind::kConstant && (binding.kind == BindingKind::kParameter || binding.persistent) ? 1
                                                                                                                  : 0;
  }
  code += load_source(options, module.weights.size() > registered);
  std::string head;
  if (!options.weights_path.empty()) {
    append_line(head, 0, "WEIGHTS = Path(__file__).parent / " + string_literal(options.weights_path));
    head.insert(0, "\n");
  }
  module.source = "\"\"\"Model definition generated by tinyml; edit it freely.\"\"\"\n\n" +
                  imports_source(head + code) + head + code;
  return module;
}

void generate_code(const Graph& graph, const std::string& py_path, const std::string& weights_path,
                   const std::string& class_name) {
  if (!weights_path.ends_with(".safetensors")) {
    throw Error("Without Python, weights are written as '.safetensors', not as '" + weights_path + "'.",
                "End the name in '.safetensors', or call generate_code from Python.");
  }
  namespace fs = std::filesystem;
  const fs::path weights = fs::absolute(weights_path).lexically_normal();
  const fs::path beside = weights.lexically_relative(fs::absolute(py_path).lexically_normal().parent_path());
  const bool inside = !beside.empty() && *beside.begin() != "..";
  const CodegenOptions options{class_name, (inside ? beside : weights).generic_string()};
  const PythonModule module = generate_python(graph, options);
  write_safetensors(module.weights, weights_path);
  write_file(py_path, module.source);
}

}  // namespace tinyml
