#include <fmt/format.h>

#include <bit>
#include <map>

#include "quantize/layer_rules.h"
#include "quantize/module_names.h"
#include "quantize/placement.h"
#include "tinyml/layer_config.h"

namespace tinyml {
namespace {

using namespace quantization;

std::string name_of_integers(const TensorScheme& scheme) {
  return fmt::format("int{}", std::bit_width(static_cast<uint64_t>(scheme.quant_max)) + 1);
}

/// Whether the module is one of torch.nn's layers, which may be the operator itself.
bool is_layer(const Node& node) {
  const std::vector<ModuleCall>& stack = node.metadata.module_stack;
  return !stack.empty() && !stack.back().path.empty() && is_layer_class(stack.back().type);
}

/// The operators of one module, by the key of its calls.
using Calls = std::map<std::string, std::vector<const LayerChoice*>>;

bool agree(const Calls& calls) {
  for (const auto& [key, nodes] : calls) {
    if (nodes.size() != calls.begin()->second.size()) return false;
  }
  return true;
}

class Lister {
 public:
  Lister(const Graph& graph, bool weights_only) : graph_(graph), weights_only_(weights_only) {}

  std::vector<LayerPrecision> list(const std::vector<LayerChoice>& choices) {
    std::map<std::string, Calls> modules;
    for (const LayerChoice& choice : choices) {
      const std::vector<ModuleCall>& stack = graph_.node(choice.node).metadata.module_stack;
      modules[graph_.node(choice.node).module_path()][stack.empty() ? "" : stack.back().key].push_back(&choice);
    }
    std::map<NodeId, size_t> placed;  // a node of a later call -> the layer that it belongs to
    std::vector<LayerPrecision> layers;
    for (const LayerChoice& choice : choices) {
      const Node& node = graph_.node(choice.node);
      const Calls& calls = modules.at(node.module_path());
      const bool together = agree(calls);
      if (const auto known = placed.find(choice.node); known != placed.end()) {
        layers[known->second].results.push_back(result_of(node));
        continue;
      }
      layers.push_back(describe(choice, together && calls.begin()->second.size() == 1));
      if (!together) continue;
      const size_t position = position_in(calls, choice);
      for (const auto& [key, nodes] : calls) placed.emplace(nodes[position]->node, layers.size() - 1);
    }
    return layers;
  }

 private:
  static size_t position_in(const Calls& calls, const LayerChoice& choice) {
    for (const auto& [key, nodes] : calls) {
      for (size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i]->node == choice.node) return i;
      }
    }
    TINYML_CHECK(false);
    return 0;
  }

  const std::string& result_of(const Node& node) const { return graph_.value(node.outputs.at(0)).name; }

  LayerPrecision describe(const LayerChoice& choice, bool alone) const {
    const Node& node = graph_.node(choice.node);
    LayerPrecision layer;
    const std::string& path = node.module_path();
    layer.name = alone && is_layer(node) ? path : path + (path.empty() ? "" : "/") + result_of(node);
    layer.op = base_name(node.op);
    if (!node.metadata.module_stack.empty()) layer.type = last_component(node.metadata.module_stack.back().type);
    layer.results = {result_of(node)};
    if (!weights_only_) layer.precision = choice.integer ? name_of_integers(choice.activation) : "float";
    if (choice.weight) layer.weight = choice.integer ? name_of_integers(*choice.weight) : "float";
    if (choice.reason != nullptr) layer.reason = choice.reason;
    return layer;
  }

  const Graph& graph_;
  bool weights_only_;
};

}  // namespace

std::vector<LayerPrecision> list_layers(const Graph& graph, const QuantizationScheme& scheme, bool weights_only) {
  std::vector<LayerChoice> choices = solve_placement(graph, scheme).layers;
  if (weights_only) {
    for (LayerChoice& choice : choices) {
      if (choice.lookup) choice.weight = weight_scheme(graph, scheme, graph.node(choice.node));
    }
    std::erase_if(choices, [](const LayerChoice& choice) { return !choice.weight || choice.reason != nullptr; });
  }
  return Lister(graph, weights_only).list(choices);
}

}  // namespace tinyml
