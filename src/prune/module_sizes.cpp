#include <optional>
#include <unordered_map>

#include "tinyml/prune.h"

namespace tinyml {
namespace {

using Attributes = std::map<std::string, int64_t>;
using Describe = Attributes (*)(const Graph&, const Node&);

std::vector<int64_t> sizes_of(const Graph& graph, const Node& node, size_t argument) {
  return graph.tensor_type(node.args[argument].value.as_value()).sizes();
}

Attributes convolution(const Graph& graph, const Node& node) {
  const std::vector<int64_t> weight = sizes_of(graph, node, 1);
  const int64_t groups = node.arg("groups").as_int();
  return {{"in_channels", weight[1] * groups}, {"out_channels", weight[0]}, {"groups", groups}};
}
Attributes transposed_convolution(const Graph& graph, const Node& node) {
  const std::vector<int64_t> weight = sizes_of(graph, node, 1);
  const int64_t groups = node.arg("groups").as_int();
  return {{"in_channels", weight[0]}, {"out_channels", weight[1] * groups}, {"groups", groups}};
}
Attributes linear(const Graph& graph, const Node& node) {
  const std::vector<int64_t> weight = sizes_of(graph, node, 1);
  if (weight.size() != 2) return {};
  return {{"in_features", weight[1]}, {"out_features", weight[0]}};
}
Attributes bilinear(const Graph& graph, const Node& node) {
  const std::vector<int64_t> weight = sizes_of(graph, node, 2);
  return {{"in1_features", weight[1]}, {"in2_features", weight[2]}, {"out_features", weight[0]}};
}
Attributes channel_norm(const Graph& graph, const Node& node) {
  const std::vector<int64_t> input = sizes_of(graph, node, 0);
  return {{"num_features", input[input.size() > 1 ? 1 : 0]}};
}
Attributes group_norm(const Graph& graph, const Node& node) {
  return {{"num_channels", sizes_of(graph, node, 0)[1]}, {"num_groups", node.arg("num_groups").as_int()}};
}
Attributes prelu(const Graph& graph, const Node& node) { return {{"num_parameters", sizes_of(graph, node, 1)[0]}}; }
Attributes embedding(const Graph& graph, const Node& node) { return {{"embedding_dim", sizes_of(graph, node, 0)[1]}}; }

/// Sizes of a recurrent layer from its first weights, whose rows are `gates` times the hidden size.
Attributes recurrent_sizes(const Graph& graph, ValueId input, ValueId recurrent, int64_t gates) {
  return {{"input_size", graph.tensor_type(input).sizes()[1]},
          {"hidden_size", graph.tensor_type(recurrent).sizes()[0] / gates}};
}
template <int64_t kGates>
Attributes recurrent_layers(const Graph& graph, const Node& node) {
  const std::vector<ValueId> params = node.arg("params").as_values();
  Attributes result = recurrent_sizes(graph, params[0], params[1], kGates);
  const auto directions = node.arg("num_layers").as_int() * (node.arg("bidirectional").as_bool() ? 2 : 1);
  const bool projected = static_cast<int64_t>(params.size()) == directions * (node.arg("has_biases").as_bool() ? 5 : 3);
  if (projected) result["proj_size"] = graph.tensor_type(params[1]).sizes()[1];
  return result;
}
template <int64_t kGates>
Attributes recurrent_cell(const Graph& graph, const Node& node) {
  return recurrent_sizes(graph, node.arg("w_ih").as_value(), node.arg("w_hh").as_value(), kGates);
}

const std::unordered_map<std::string, Describe>& table() {
  static const std::unordered_map<std::string, Describe> entries = {
      {"aten.conv1d.default", convolution},
      {"aten.conv2d.default", convolution},
      {"aten.conv3d.default", convolution},
      {"aten.conv1d.padding", convolution},
      {"aten.conv2d.padding", convolution},
      {"aten.conv3d.padding", convolution},
      {"aten.conv_transpose1d.default", transposed_convolution},
      {"aten.conv_transpose2d.input", transposed_convolution},
      {"aten.conv_transpose3d.input", transposed_convolution},
      {"aten.linear.default", linear},
      {"aten.bilinear.default", bilinear},
      {"aten.batch_norm.default", channel_norm},
      {"aten.instance_norm.default", channel_norm},
      {"aten.group_norm.default", group_norm},
      {"aten.prelu.default", prelu},
      {"aten.embedding.default", embedding},
      {"aten.lstm.input", recurrent_layers<4>},
      {"aten.gru.input", recurrent_layers<3>},
      {"aten.rnn_tanh.input", recurrent_layers<1>},
      {"aten.rnn_relu.input", recurrent_layers<1>},
      {"aten.lstm_cell.default", recurrent_cell<4>},
      {"aten.gru_cell.default", recurrent_cell<3>},
      {"aten.rnn_tanh_cell.default", recurrent_cell<1>},
      {"aten.rnn_relu_cell.default", recurrent_cell<1>},
  };
  return entries;
}

}  // namespace

std::vector<ModuleSizes> module_sizes(const Graph& graph) {
  std::map<std::string, std::map<std::string, std::optional<int64_t>>> found;
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    const Node& node = graph.node(id);
    const auto describe = table().find(node.op);
    if (describe == table().end()) continue;
    for (const auto& [name, value] : describe->second(graph, node)) {
      const auto [entry, is_new] = found[node.module_path()].emplace(name, value);
      if (!is_new && entry->second != value) entry->second.reset();
    }
  }
  std::vector<ModuleSizes> result;
  for (const auto& [path, attributes] : found) {
    ModuleSizes sizes{path, {}};
    for (const auto& [name, value] : attributes) {
      if (value) sizes.attributes.emplace(name, *value);
    }
    result.push_back(std::move(sizes));
  }
  return result;
}

}  // namespace tinyml
