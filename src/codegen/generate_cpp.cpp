#include <algorithm>
#include <filesystem>

#include "codegen/control_flow_text.h"
#include "codegen/cpp_control_flow.h"
#include "codegen/cpp_structs.h"
#include "codegen/cpp_text.h"
#include "tinyml/atomic_file.h"
#include "tinyml/codegen.h"
#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

using namespace codegen;  // NOLINT(google-build-using-namespace): this file is the room's front door.

constexpr std::string_view kIncludes = R"(#pragma once

#include <c10/util/generic_math.h>
#include <torch/nn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>
)";

constexpr std::string_view kIsTrue = R"(
inline bool is_true(bool value) { return value; }
inline bool is_true(const torch::Tensor& value) { return value.item<bool>(); }
)";

constexpr std::string_view kReadSafetensors = R"(
/// Tensors by name from a safetensors file: a JSON header of {"name": {"dtype", "shape", "data_offsets"}}, then bytes.
inline std::map<std::string, torch::Tensor> read_safetensors(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  TORCH_CHECK(file, "Cannot read '", path, "'.");
  const std::string data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  TORCH_CHECK(data.size() >= 8, "'", path, "' is no safetensors file.");
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(data[i]);
  TORCH_CHECK(length <= data.size() - 8, "'", path, "' is no safetensors file.");
  const std::string header = data.substr(8, length);
  const std::string bytes = data.substr(8 + length);
  static const std::map<std::string, torch::ScalarType> types = {
      {"F64", torch::kDouble}, {"F32", torch::kFloat}, {"F16", torch::kHalf}, {"BF16", torch::kBFloat16},
      {"I64", torch::kLong},   {"I32", torch::kInt},   {"I16", torch::kShort}, {"I8", torch::kChar},
      {"U8", torch::kByte},    {"BOOL", torch::kBool}};
  size_t at = 0;
  const auto skip = [&](const std::string& characters) {
    while (at < header.size() && characters.find(header[at]) != std::string::npos) ++at;
  };
  const auto text = [&] {
    skip(" \n,:{}");
    TORCH_CHECK(at < header.size() && header[at] == '"', "'", path, "' has a header that cannot be read.");
    std::string result;
    for (++at; at < header.size() && header[at] != '"'; ++at) {
      if (header[at] == '\\') ++at;
      result += header.at(at);
    }
    ++at;
    return result;
  };
  const auto numbers = [&] {
    skip(" :[");
    std::vector<int64_t> result;
    while (at < header.size() && header[at] != ']') {
      size_t used = 0;
      result.push_back(std::stoll(header.substr(at, 24), &used));
      at += used;
      skip(" ,");
    }
    ++at;
    return result;
  };
  std::map<std::string, torch::Tensor> tensors;
  for (skip(" \n{"); header.find('"', at) != std::string::npos;) {
    const std::string name = text();
    if (name == "__metadata__") {
      at = std::min(header.find('}', at), header.size());
      continue;
    }
    std::string type;
    std::vector<int64_t> shape, offsets;
    for (int field = 0; field < 3; ++field) {
      const std::string key = text();
      if (key == "dtype") type = text();
      if (key == "shape") shape = numbers();
      if (key == "data_offsets") offsets = numbers();
    }
    TORCH_CHECK(types.count(type) == 1 && offsets.size() == 2, "Tensor '", name, "' of '", path, "' cannot be read.");
    torch::Tensor tensor = torch::empty(shape, types.at(type));
    const bool inside = 0 <= offsets[0] && offsets[0] <= offsets[1] && offsets[1] <= static_cast<int64_t>(bytes.size());
    TORCH_CHECK(inside && offsets[1] - offsets[0] == static_cast<int64_t>(tensor.nbytes()), "Tensor '", name, "' of '",
                path, "' has the wrong size.");
    if (tensor.nbytes() > 0) std::memcpy(tensor.data_ptr(), bytes.data() + offsets[0], tensor.nbytes());
    tensors[name] = tensor;
  }
  return tensors;
}
)";

constexpr std::string_view kLoad = R"(
/// The model with the weights of a safetensors file; every tensor of the model must be in it.
inline std::shared_ptr<@> load(const std::string& path) {
  torch::NoGradGuard no_grad;
  auto model = std::make_shared<@>();
  const auto weights = read_safetensors(path);
  const auto copy = [&](const std::string& name, torch::Tensor target) {
    const auto found = weights.find(name);
    // The count of a batch norm's batches need not be in the file.
    const std::string count = "num_batches_tracked";
    if (found == weights.end() && name.size() >= count.size() &&
        name.compare(name.size() - count.size(), count.size(), count) == 0)
      return;
    TORCH_CHECK(found != weights.end(), "'", path, "' has no tensor '", name, "'.");
    TORCH_CHECK(found->second.sizes() == target.sizes(), "Tensor '", name, "' of '", path, "' has another shape.");
    target.copy_(found->second);
  };
  for (const auto& parameter : model->named_parameters()) copy(parameter.key(), parameter.value());
  for (const auto& buffer : model->named_buffers()) copy(buffer.key(), buffer.value());
  model->eval();
  return model;
}
)";

/// Everything that has no form in C++ is named at once.
void check_operators(const Graph& graph) {
  std::vector<Diagnostic> problems;
  const ValueText any = [](ValueId) { return std::string("x"); };
  for (const NodeId id : graph.nodes()) {
    try {
      if (is_control_flow(graph.node(id))) {
        check_bodies(graph.node(id), problems);
      } else {
        (void)cpp_node_text(graph.node(id), any);
      }
    } catch (const Error& error) {
      problems.insert(problems.end(), error.diagnostics().begin(), error.diagnostics().end());
    }
  }
  if (!problems.empty()) throw Error("The model cannot be written as C++ code.", problems);
}

std::string with_name(std::string_view text, const std::string& name) {
  std::string out;
  for (const char c : text) out += c == '@' ? name : std::string(1, c);
  return out;
}

}  // namespace

CppModule generate_cpp(const Graph& captured, const std::string& class_name) {
  if (!is_identifier(class_name) || cpp_name(class_name) != class_name) {
    throw Error("'" + class_name + "' is not a name for a C++ class.", "Use letters, digits and underscores.");
  }
  const Graph graph = normalize(captured);
  check_operators(graph);
  const Aliases aliases(graph);
  CallTree calls(graph, aliases);
  ModuleTree modules(graph, aliases, calls);
  CppStructBuilder builder(graph, aliases, calls, modules, class_name);
  std::string name_space = cpp_name(to_snake_case(class_name));
  if (name_space == class_name) name_space += "_model";
  CppModule result;
  result.source = "// Model definition generated by tinyml; edit it freely.\n" + std::string(kIncludes) +
                  "\nnamespace " + name_space + " {\n";
  const std::vector<NodeId> nodes = graph.nodes();
  if (std::any_of(nodes.begin(), nodes.end(), [&](NodeId id) { return is_control_flow(graph.node(id)); })) {
    result.source += kIsTrue;
  }
  for (const std::string& source : builder.build()) result.source += "\n" + source;
  result.source +=
      with_name(kReadSafetensors, class_name) + with_name(kLoad, class_name) + "\n}  // namespace " + name_space + "\n";
  result.weights = builder.weights();
  return result;
}

void generate_cpp_code(const Graph& graph, const std::string& header_path, const std::string& weights_path,
                       const std::string& class_name) {
  if (!weights_path.ends_with(".safetensors")) {
    throw Error("The weights of C++ code are written as '.safetensors', not as '" + weights_path + "'.",
                "End the name in '.safetensors'.");
  }
  const CppModule module = generate_cpp(graph, class_name);
  write_safetensors(module.weights, weights_path);
  write_file(header_path, module.source);
}

}  // namespace tinyml
