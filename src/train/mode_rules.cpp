// How train() and eval() change what a node does.
#include "train/program.h"

namespace tinyml::train {
namespace {

constexpr std::string_view kCounter = "num_batches_tracked";

/// Position of the first of these arguments that the node has.
std::optional<size_t> position_of(const Node& node, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (size_t i = 0; i < node.args.size(); ++i) {
      if (node.args[i].name == name) return i;
    }
  }
  return std::nullopt;
}

bool has_value(const Node& node, std::string_view name) { return node.has_arg(name) && node.arg(name).is_value(); }

/// The counter beside a norm's running mean, unless the graph counts by itself.
at::Tensor find_counter(const Graph& graph, const std::string& running_mean, const TensorsByName& tensors) {
  const size_t dot = running_mean.rfind('.');
  const std::string name = running_mean.substr(0, dot == std::string::npos ? 0 : dot + 1) + std::string(kCounter);
  const auto found = tensors.find(name);
  if (running_mean.empty() || found == tensors.end()) return {};
  const Binding* binding = graph.find_binding(name);
  return binding != nullptr && !graph.is_unused(binding->value) ? at::Tensor() : found->second;
}

}  // namespace

bool is_batch_counter(const std::string& name) {
  return name == kCounter || name.ends_with("." + std::string(kCounter));
}

Program::ModeRule find_mode_rule(const Graph& graph, const Node& node, const NameOf& name_of,
                                 const TensorsByName& tensors) {
  Program::ModeRule rule;
  const bool batch_norm = node.op == "aten.batch_norm.default" || node.op == "aten._batch_norm_impl_index.default" ||
                          node.op == "aten.native_batch_norm.default" ||
                          node.op == "aten._native_batch_norm_legit.default";
  if (batch_norm || node.op == "aten.instance_norm.default") {
    // Without running statistics a norm uses the batch's own in both modes.
    if (!has_value(node, "running_mean")) return rule;
    rule.training = position_of(node, {"training", "use_input_stats"});
    rule.is_norm = true;
    if (!batch_norm) return rule;
    rule.momentum = position_of(node, {"momentum"});
    rule.counter = find_counter(graph, name_of(node.arg("running_mean").as_value()), tensors);
    return rule;
  }
  if (node.op == "aten.fused_moving_avg_obs_fake_quant.default") {
    rule.observer = position_of(node, {"observer_on"});
    return rule;
  }
  rule.training = position_of(node, {"training", "train"});
  const bool counts = node.op.starts_with("aten.add") && !node.args.empty() && node.args[0].value.is_value();
  rule.counts_batches = counts && is_batch_counter(name_of(node.args[0].value.as_value()));
  return rule;
}

}  // namespace tinyml::train
