#include <nlohmann/json.hpp>

#include "tinyml/lower.h"

namespace tinyml {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;

std::string key_text(const Json& key, size_t index) {
  if (key.is_string()) return key.get<std::string>();
  return key.is_number_integer() ? key.dump() : std::to_string(index);
}

// The paths of the leaves below a container of torch's pytree; `path` is its own.
void add_leaves(const Json& tree, const std::string& path, int depth, std::vector<std::string>& leaves) {
  const auto type = tree.find("type");
  if (depth > kMaxDepth || type == tree.end() || !type->is_string()) {
    leaves.push_back(path);
    return;
  }
  const Json children = tree.value("children_spec", Json::array());
  Json keys = tree.value("context", Json());
  if (keys.is_string()) keys = Json::parse(keys.get<std::string>(), nullptr, false);
  const std::string name = type->get<std::string>();
  const bool named = (name == "builtins.dict" || name == "collections.OrderedDict") && keys.is_array() &&
                     keys.size() == children.size();
  for (size_t i = 0; i < children.size(); ++i) {
    if (!children[i].is_object()) return;
    const std::string part = named ? key_text(keys[i], i) : std::to_string(i);
    // An item of the outermost tuple has no name of its own.
    const std::string item = path.empty() ? (named ? part : "output_" + part) : path + "." + part;
    add_leaves(children[i], item, depth + 1, leaves);
  }
}

std::vector<std::string> leaf_paths(const std::string& spec) {
  const Json json = Json::parse(spec, nullptr, false);
  std::vector<std::string> leaves;
  if (json.is_array() && json.size() == 2 && json[1].is_object()) add_leaves(json[1], "", 0, leaves);
  return leaves;
}

}  // namespace

std::vector<std::string> signature_output_names(const Graph& graph) {
  std::vector<const Output*> outputs;
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser) outputs.push_back(&output);
  }
  std::vector<std::string> paths = leaf_paths(graph.archive.out_spec);
  const bool known = paths.size() == outputs.size();
  std::vector<std::string> names;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i]->value.is_none()) continue;
    names.push_back(known && !paths[i].empty() ? paths[i] : "output_" + std::to_string(names.size()));
  }
  if (names.size() == 1 && (!known || names[0].starts_with("output_"))) names[0] = "output";
  return names;
}

}  // namespace tinyml
