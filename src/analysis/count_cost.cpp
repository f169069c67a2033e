#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "analysis/index_space.h"
#include "tinyml/analysis.h"
#include "tinyml/einsum.h"

namespace tinyml {
namespace {

using analysis::product;

struct Operands {
  const Graph& graph;
  const Node& node;
  const SizesOf& sizes;

  std::vector<int64_t> input(size_t index) const { return sizes(node.args[index].value.as_value()); }
  std::vector<int64_t> output() const { return sizes(node.outputs[0]); }
  int64_t outputs() const {
    int64_t count = 0;
    for (ValueId value : node.outputs) {
      if (value != kNoValue && graph.value(value).kind == ValueKind::kTensor) count += product(sizes(value));
    }
    return count;
  }
};

/// Elements behind the first dimension: weights each output (or, transposed, input) channel is multiplied with.
int64_t per_channel(const std::vector<int64_t>& weight) {
  return weight.empty() ? 0 : product(weight) / std::max<int64_t>(weight[0], 1);
}

int64_t convolution_macs(const Operands& o) {
  const bool transposed = o.node.has_arg("transposed") && o.node.arg("transposed").as_bool();
  return product(transposed ? o.input(0) : o.output()) * per_channel(o.input(1));
}
int64_t transposed_macs(const Operands& o) { return product(o.input(0)) * per_channel(o.input(1)); }
int64_t linear_macs(const Operands& o) { return product(o.output()) * o.input(1).back(); }
int64_t matmul_macs(const Operands& o) { return product(o.output()) * o.input(0).back(); }
int64_t addmm_macs(const Operands& o) { return product(o.output()) * o.input(1).back(); }

/// Scores [..., L, S] over E and the weighted sum of values.
int64_t attention_macs(const Operands& o) {
  const std::vector<int64_t> query = o.input(0), key = o.input(1), value = o.input(2);
  const int64_t keys = key[key.size() - 2];
  return product(query) * keys + product(query) / query.back() * keys * value.back();
}

/// The sizes of all letters, for each further operand once.
int64_t einsum_macs(const Operands& o) {
  const std::vector<ValueId> values = o.node.arg("tensors").as_values();
  std::vector<int64_t> ranks;
  for (ValueId value : values) ranks.push_back(static_cast<int64_t>(o.sizes(value).size()));
  const EinsumEquation equation = parse_einsum(o.node.arg("equation").as_string(), ranks);
  std::map<char, int64_t> letters;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t dim = 0; dim < equation.operands[i].size(); ++dim) {
      int64_t& size = letters[equation.operands[i][dim]];
      size = std::max(size, o.sizes(values[i])[dim]);
    }
  }
  int64_t count = std::max<int64_t>(static_cast<int64_t>(values.size()) - 1, 1);
  for (const auto& [letter, size] : letters) count *= size;
  return count;
}

/// Every weight matrix once for each step of each sequence.
int64_t recurrent_macs(const Operands& o) {
  std::vector<ValueId> weights;
  if (o.node.has_arg("params")) {
    weights = o.node.arg("params").as_values();
  } else {
    weights = {o.node.arg("w_ih").as_value(), o.node.arg("w_hh").as_value()};
  }
  int64_t count = 0;
  for (ValueId weight : weights) {
    if (const std::vector<int64_t> sizes = o.sizes(weight); sizes.size() == 2) count += product(sizes);
  }
  return product(o.input(0)) / std::max<int64_t>(o.input(0).back(), 1) * count;
}

using MacCounter = int64_t (*)(const Operands&);

const std::unordered_map<std::string, MacCounter>& mac_counters() {
  static const std::unordered_map<std::string, MacCounter> table = {
      {"aten.conv1d.default", convolution_macs},
      {"aten.conv2d.default", convolution_macs},
      {"aten.conv3d.default", convolution_macs},
      {"aten.conv1d.padding", convolution_macs},
      {"aten.conv2d.padding", convolution_macs},
      {"aten.conv3d.padding", convolution_macs},
      {"aten.convolution.default", convolution_macs},
      {"aten.conv_transpose1d.default", transposed_macs},
      {"aten.conv_transpose2d.input", transposed_macs},
      {"aten.conv_transpose3d.input", transposed_macs},
      {"aten.linear.default", linear_macs},
      {"aten.matmul.default", matmul_macs},
      {"aten.mm.default", matmul_macs},
      {"aten.bmm.default", matmul_macs},
      {"aten.addmm.default", addmm_macs},
      {"aten.baddbmm.default", addmm_macs},
      {"aten.scaled_dot_product_attention.default", attention_macs},
      {"aten.einsum.default", einsum_macs},
      {"aten.lstm.input", recurrent_macs},
      {"aten.gru.input", recurrent_macs},
      {"aten.rnn_tanh.input", recurrent_macs},
      {"aten.rnn_relu.input", recurrent_macs},
      {"aten.lstm_cell.default", recurrent_macs},
      {"aten.gru_cell.default", recurrent_macs},
      {"aten.rnn_tanh_cell.default", recurrent_macs},
      {"aten.rnn_relu_cell.default", recurrent_macs},
  };
  return table;
}

/// Results that are the operand's memory seen differently.
const std::unordered_set<std::string>& views() {
  static const std::unordered_set<std::string> table = {
      "aten.view.default",       "aten._unsafe_view.default",
      "aten.flatten.using_ints", "aten.unflatten.int",
      "aten.squeeze.default",    "aten.squeeze.dim",
      "aten.squeeze.dims",       "aten.unsqueeze.default",
      "aten.reshape.default",    "aten.permute.default",
      "aten.transpose.int",      "aten.t.default",
      "aten.expand.default",     "aten.expand_as.default",
      "aten.slice.Tensor",       "aten.select.int",
      "aten.narrow.default",     "aten.split.Tensor",
      "aten.chunk.default",      "aten.split_with_sizes.default",
      "aten.unbind.int",         "aten.detach.default",
      "aten.alias.default",      "aten.dropout.default",
      "aten.contiguous.default", "aten.movedim.int",
      "aten.movedim.intlist",    "aten.view_as.default",
  };
  return table;
}

/// Moves or selects data without computing.
const std::unordered_set<std::string>& moves() {
  static const std::unordered_set<std::string> table = {
      "aten.cat.default",
      "aten.stack.default",
      "aten.clone.default",
      "aten.pad.default",
      "aten.index.Tensor",
      "aten.constant_pad_nd.default",
      "aten.pixel_shuffle.default",
      "aten.pixel_unshuffle.default",
      "aten.repeat.default",
      "aten.embedding.default",
      "aten.zeros.default",
      "aten.ones.default",
      "aten.full.default",
      "aten.channel_shuffle.default",
      "aten.to.dtype",
      "aten.type_as.default",
      "aten.upsample_nearest2d.vec",
      "aten.flip.default",
      "aten.roll.default",
  };
  return table;
}

Cost cost_of(const Operands& o) {
  Cost cost;
  if (const auto counter = mac_counters().find(o.node.op); counter != mac_counters().end()) {
    cost.macs = counter->second(o);
    cost.flops = 2 * cost.macs;
    const bool has_bias = o.node.has_arg("bias") && o.node.arg("bias").is_value();
    if (has_bias) cost.flops += o.outputs();
    return cost;
  }
  if (views().contains(o.node.op) || moves().contains(o.node.op)) return cost;
  if (o.node.op.find("pool") != std::string::npos || o.node.op.rfind("aten.mean", 0) == 0 ||
      o.node.op.rfind("aten.sum", 0) == 0) {
    cost.flops = product(o.input(0));  // Every input element is looked at once at least.
    return cost;
  }
  cost.flops = o.outputs();
  if (o.node.op.find("_norm") != std::string::npos) cost.flops *= 2;
  return cost;
}

/// Sums of living intermediate values while each operator runs. A view lives in its operand's memory.
std::vector<int64_t> live_memory(const Graph& graph, const SizesOf& sizes) {
  const std::vector<NodeId> nodes = graph.nodes();
  std::vector<ValueId> storage(graph.value_limit());
  std::vector<size_t> last_use(graph.value_limit(), 0);
  for (size_t i = 0; i < storage.size(); ++i) storage[i] = ValueId{static_cast<uint32_t>(i)};
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = graph.node(nodes[i]);
    const bool is_view = views().contains(node.op) && !node.args.empty() && node.args[0].value.is_value();
    for (ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      if (is_view) storage[index_of(output)] = storage[index_of(node.args[0].value.as_value())];
      last_use[index_of(storage[index_of(output)])] = i;
    }
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) { last_use[index_of(storage[index_of(value)])] = i; });
    }
  }
  for (const Output& output : graph.outputs()) {
    output.value.for_each_value([&](ValueId value) { last_use[index_of(storage[index_of(value)])] = nodes.size(); });
  }
  const auto bytes = [&](ValueId value) {
    if (graph.value(value).kind != ValueKind::kTensor) return int64_t{0};
    return product(sizes(value)) * static_cast<int64_t>(size_of(graph.tensor_type(value).type));
  };
  std::vector<std::vector<ValueId>> freed(nodes.size() + 1);
  int64_t live = 0;
  std::vector<int64_t> result;
  const auto allocate = [&](ValueId value) {
    live += bytes(value);
    freed[last_use[index_of(value)]].push_back(value);
  };
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) allocate(input.value);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (ValueId output : graph.node(nodes[i]).outputs) {
      if (output != kNoValue && storage[index_of(output)] == output) allocate(output);
    }
    result.push_back(live);
    for (ValueId value : freed[i]) live -= bytes(value);
  }
  return result;
}

}  // namespace

int64_t count_macs(const Graph& graph, const SizesOf& sizes) {
  int64_t total = 0;
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    const auto counter = mac_counters().find(graph.node(id).op);
    if (counter != mac_counters().end()) total += counter->second({graph, graph.node(id), sizes});
  }
  return total;
}

ModelCost count_cost(const Graph& graph, const SizesOf& sizes) {
  ModelCost result;
  const std::vector<int64_t> live = live_memory(graph, sizes);
  for (NodeId id : graph.nodes()) {
    const Cost cost = cost_of({graph, graph.node(id), sizes});
    const int64_t bytes = live[result.nodes.size()];
    result.nodes.push_back({id, cost, bytes});
    result.peak_activation_bytes = std::max(result.peak_activation_bytes, bytes);
    result.total.macs += cost.macs;
    result.total.flops += cost.flops;
  }
  std::set<std::pair<const std::byte*, int64_t>> seen;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind != BindingKind::kParameter) continue;
    if (!seen.emplace(binding.data.storage().data(), binding.data.offset()).second) continue;
    const int64_t count = product(sizes(binding.value));
    result.parameters += count;
    result.parameter_bytes += count * static_cast<int64_t>(size_of(binding.data.type()));
  }
  return result;
}

ModelCost count_cost(const Graph& graph) {
  return count_cost(graph, [&](ValueId value) { return graph.tensor_type(value).sizes(); });
}

}  // namespace tinyml
