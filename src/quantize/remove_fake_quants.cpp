#include "tinyml/remove_fake_quants.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "quantize/module_names.h"
#include "quantize/restore_cells.h"
#include "quantize/restore_recurrent.h"
#include "quantize/restore_silu.h"
#include "quantize/unfold_batch_norms.h"

namespace tinyml {
namespace {

using quantization::last_component;

bool is_fake_quant(const Node& node) {
  return node.op.starts_with("aten.") &&
         (node.op.find("fake_quant") != std::string::npos || node.op.find("_obs_fq") != std::string::npos);
}

bool is_own_module(const std::string& type) {
  const std::string_view name = last_component(type);
  for (const std::string_view part : {"FakeQuant", "Requantize", "Observer"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

class Remover {
 public:
  Remover(const Graph& graph, const QuantizedModules& modules) : graph_(graph), modules_(modules) {
    for (const std::string& path : modules.observers) gone_.insert(path + ".");
  }

  Graph run() {
    for (const NodeId id : graph_.nodes()) {
      if (is_fake_quant(graph_.node(id))) remove(id);
    }
    graph_.erase_dead_nodes();
    erase_tensors();
    quantization::restore_recurrent(graph_, modules_.dropout);
    quantization::restore_cells(graph_);
    quantization::restore_silu(graph_);
    for (const NodeId id : graph_.nodes()) restore_classes(id);
    restore_embeddings();
    quantization::unfold_batch_norms(graph_, modules_.momentum, modules_.norms);
    return std::move(graph_);
  }

 private:
  /// What a FakeQuant reads; where it clamps a weight's channels to ranges of their own first, the weight.
  ValueId before_clamps(const Node& node) const {
    ValueId input = node.args.at(0).value.as_value();
    for (const std::string_view op : {"aten.minimum.default", "aten.maximum.default"}) {
      const NodeId producer = graph_.value(input).producer;
      if (producer == kNoNode || graph_.node(producer).op != op) return input;
      const Node& clamp = graph_.node(producer);
      if (clamp.metadata.module_stack.empty() || !is_own_module(clamp.metadata.module_stack.back().type)) return input;
      input = clamp.arg("self").as_value();
    }
    return input;
  }

  void remove(NodeId id) {
    const Node& node = graph_.node(id);
    const ValueId input = before_clamps(node);
    if (const auto& stack = node.metadata.module_stack; !stack.empty() && is_own_module(stack.back().type)) {
      gone_.insert(stack.back().path + ".");
    }
    for (size_t i = 1; i < node.args.size(); ++i) {
      node.args[i].value.for_each_value([&](ValueId value) {
        if (graph_.binding_of(value) != nullptr) read_.insert(value);
      });
    }
    graph_.replace_all_uses(node.outputs.at(0), input);
  }

  /// Tensors of FakeQuants that nothing else reads, and the outputs that kept them up to date.
  void erase_tensors() {
    const auto belongs = [&](const Binding& binding) {
      return read_.contains(binding.value) || std::any_of(gone_.begin(), gone_.end(), [&](const std::string& prefix) {
               return binding.fqn.starts_with(prefix);
             });
    };
    std::vector<Output> kept;
    for (const Output& output : graph_.outputs()) {
      const Binding* target =
          output.kind == OutputKind::kBufferMutation || output.kind == OutputKind::kParameterMutation
              ? graph_.find_binding(output.target)
              : nullptr;
      if (target == nullptr || !belongs(*target)) kept.push_back(output);
    }
    if (kept.size() != graph_.outputs().size()) {
      graph_.set_outputs(std::move(kept));
      graph_.erase_dead_nodes();
    }
    std::vector<ValueId> unused;
    for (const Binding& binding : graph_.bindings()) {
      if (belongs(binding) && graph_.is_unused(binding.value)) unused.push_back(binding.value);
    }
    for (const ValueId value : unused) graph_.erase_binding(value);
  }

  void restore_classes(NodeId id) {
    constexpr std::string_view kPrefix = "tinyml.nn.quant_layers.Quant";
    constexpr std::string_view kRecurrent = "tinyml.nn.quant_recurrent.Quant";
    for (ModuleCall& call : graph_.metadata(id).module_stack) {
      // Still written out step by step: a class of that name, not torch's.
      if (call.type.starts_with(kRecurrent)) call.type = "tinyml.rewritten." + call.type.substr(kRecurrent.size());
      if (!call.type.starts_with(kPrefix)) continue;
      const std::string name = call.type.substr(kPrefix.size());
      const std::string_view room = name == "Linear" ? "linear." : name == "Embedding" ? "sparse." : "conv.";
      call.type = fmt::format("torch.nn.modules.{}{}", room, name);
    }
  }

  /// A module that got its rounded table from outside and does nothing but look its rows up is torch.nn's again.
  void restore_embeddings() {
    std::map<std::string, int> nodes_in;
    for (const NodeId id : graph_.nodes()) {
      for (const ModuleCall& call : graph_.node(id).metadata.module_stack) ++nodes_in[call.key];
    }
    for (const NodeId id : graph_.nodes()) {
      const Node& node = graph_.node(id);
      if (node.op != "aten.embedding.default" || node.metadata.module_stack.empty()) continue;
      ModuleCall& call = graph_.metadata(id).module_stack.back();
      const Binding* own = graph_.find_binding(call.path + ".weight");
      const Binding* table = graph_.binding_of(node.arg("weight").as_value());
      if (own == nullptr || table == nullptr || nodes_in.at(call.key) != 1) continue;
      if (quantization::are_tied(*own, *table)) call.type = "torch.nn.modules.sparse.Embedding";
    }
  }

  Graph graph_;
  const QuantizedModules& modules_;
  std::set<std::string> gone_;  ///< Paths of modules that are no more, each with a dot at its end.
  std::set<ValueId> read_;      ///< Tensors that FakeQuants read.
};

}  // namespace

Graph remove_fake_quants(const Graph& graph, const QuantizedModules& modules) { return Remover(graph, modules).run(); }

}  // namespace tinyml
