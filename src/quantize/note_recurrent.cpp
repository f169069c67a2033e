#include <fmt/format.h>

#include <map>
#include <set>

#include "graph/structure_digest.h"
#include "quantize/rewrite.h"
#include "tinyml/functionalize.h"

namespace tinyml::quantization {
namespace {

constexpr std::string_view kModules = "tinyml.nn.quant_recurrent.";

struct Call {
  std::string path;
  std::vector<NodeId> nodes;
};

/// The calls of such modules by key, each with the nodes inside.
std::map<std::string, Call> find_calls(const Graph& graph) {
  std::map<std::string, Call> calls;
  for (const NodeId id : graph.nodes()) {
    for (const ModuleCall& call : graph.node(id).metadata.module_stack) {
      if (!call.type.starts_with(kModules)) continue;
      Call& found = calls[call.key];
      found.path = call.path;
      found.nodes.push_back(id);
      break;
    }
  }
  return calls;
}

void add_setting(std::string& text, const char* name, const std::string& value, const std::string& usual) {
  if (value != usual) text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
}

/// What a FakeQuantize is constructed with.
std::string activation_settings(const Node& node) {
  const auto note = [&](const char* name, const char* usual) {
    const std::string* value = note_of(node, name);
    return value == nullptr ? std::string(usual) : *value;
  };
  std::string text;
  add_setting(text, "quant_min", std::to_string(node.arg("quant_min").as_int()), "-128");
  add_setting(text, "quant_max", std::to_string(node.arg("quant_max").as_int()), "127");
  add_setting(text, "symmetric", note("tinyml.symmetric", "false") == "true" ? "True" : "False", "False");
  add_setting(text, "observer", fmt::format("\"{}\"", note("tinyml.observer", "moving_average")), "\"moving_average\"");
  add_setting(text, "momentum", note("tinyml.momentum", "0.01"), "0.01");
  add_setting(text, "percentile", note("tinyml.percentile", "99.99"), "99.99");
  return text;
}

/// Whether all of the module's FakeQuants are there, those of activations with equal settings, or those of all weights
/// and no others.
bool is_complete(const Graph& graph, const Call& call) {
  std::set<std::string> expected;
  std::set<std::string> weights;
  std::set<std::string> found;
  std::set<std::string> settings;
  for (const NodeId id : call.nodes) {
    const Node& node = graph.node(id);
    for (const std::string_view name : {kQuantizer, kWeightQuantizer}) {
      const std::string* quantizer = note_of(node, name);
      if (quantizer == nullptr) continue;
      expected.insert(call.path + "." + *quantizer);
      if (name == kWeightQuantizer) weights.insert(call.path + "." + *quantizer);
    }
    if (node.op == "aten.maximum.default") return false;  // ranges of channels, which the module has not
    if (!is_fake_quantize(node)) continue;
    found.insert(node.module_path());
    if (node.metadata.module_stack.back().type.ends_with(".FakeQuantize")) settings.insert(activation_settings(node));
  }
  return (expected == found && settings.size() == 1) || (weights == found && settings.empty());
}

/// The constructor's arguments that the tensors' names and shapes do not tell, "name=value" separated by ';'.
std::string constructor_arguments(const Graph& graph, const Call& call) {
  std::string given;
  std::string weights;
  std::string activations;
  bool rounds = false;
  for (const NodeId id : call.nodes) {
    const Node& node = graph.node(id);
    if (const std::string* arguments = note_of(node, kConstructor)) given = *arguments;
    if (!is_fake_quantize(node)) continue;
    const bool of_weight = node.metadata.module_stack.back().type.ends_with(".WeightFakeQuantize");
    if (of_weight && weights.empty()) {
      weights = fmt::format(";weight_range=({}, {});per_channel={}", node.arg("quant_min").as_int(),
                            node.arg("quant_max").as_int(), node.has_arg("axis") ? "True" : "False");
    } else if (!of_weight && !rounds) {
      rounds = true;
      const std::string settings = activation_settings(node);
      if (!settings.empty()) activations = fmt::format(";activation=dict({})", settings);
    }
  }
  return given + weights + (rounds ? activations : ";activation=False");
}

}  // namespace

void note_recurrent_modules(Graph& graph) {
  const std::map<std::string, Call> calls = find_calls(graph);
  if (calls.empty()) return;
  const Graph seen_by_codegen = normalize(graph);  // slices of everything are gone
  for (const auto& [key, call] : find_calls(seen_by_codegen)) {
    if (!is_complete(graph, calls.at(key))) continue;
    graph.metadata(calls.at(key).nodes.back()).other["tinyml.recurrent"] =
        structure_digest(seen_by_codegen, call.nodes, call.path) + constructor_arguments(graph, calls.at(key));
  }
}

}  // namespace tinyml::quantization
