#include "quantize/refine/layer.h"

#include "graph/node_notes.h"
#include "quantize/module_names.h"
#include "quantize/refine/lockstep.h"

namespace tinyml::quantization {
namespace {

std::string layer_name(const Node& node) {
  const std::string name = base_name(node.op);
  const bool known = name == "linear" || name == "conv1d" || name == "conv2d" || name == "conv3d" ||
                     name == "conv_transpose1d" || name == "conv_transpose2d";
  return known && node.op.starts_with("aten.") ? name : "";
}

/// "conv_transpose2d": 2.
int64_t spatial_rank(const std::string& name) { return name[name.size() - 2] - '0'; }

/// A parameter that nothing else reads.
bool is_own_parameter(const Graph& graph, ValueId value) {
  return graph.binding_of(value) != nullptr && graph.value(value).users.size() == 1 && !graph.is_output(value);
}

}  // namespace

std::optional<Layer> find_layer(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (layer_name(node).empty() || !node.arg("weight").is_value()) return std::nullopt;
  const ValueId rounded = node.arg("weight").as_value();
  const NodeId producer = graph.value(rounded).producer;
  if (producer == kNoNode || !is_fake_quantize(graph.node(producer))) return std::nullopt;
  Layer layer{id, node.arg("input").as_value(), producer, kNoValue, kNoValue};
  if (graph.value(rounded).users.size() != 1) return layer;
  const ValueId before = graph.node(producer).arg("self").as_value();
  if (is_own_parameter(graph, before)) {
    layer.weight = before;
    return layer;
  }
  const NodeId product = graph.value(before).producer;
  if (product == kNoNode || graph.node(product).op != "aten.mul.Tensor" || graph.value(before).users.size() != 1) {
    return layer;
  }
  const Argument& weight = graph.node(product).arg("self");
  const Argument& factor = graph.node(product).arg("other");
  if (weight.is_value() && factor.is_value() && is_own_parameter(graph, weight.as_value())) {
    layer.weight = weight.as_value();
    layer.factor = factor.as_value();
  }
  return layer;
}

int64_t channel_dimension(const Node& layer, int64_t rank) {
  if (layer_name(layer) == "linear") return rank - 1;
  return rank - 1 - spatial_rank(layer_name(layer));
}

std::optional<Window> find_window(const Graph& graph, const Layer& layer) {
  const Node& node = graph.node(layer.node);
  const std::string name = layer_name(node);
  Window window;
  if (name == "linear") return window;
  if (name != "conv1d" && name != "conv2d") return std::nullopt;
  const size_t rank = name == "conv1d" ? 1 : 2;
  const std::vector<int64_t> sizes = graph.tensor_type(node.arg("weight").as_value()).sizes();
  const int64_t batched = graph.tensor_type(layer.input).rank();
  if (batched != static_cast<int64_t>(rank) + 2 || !node.arg("padding").is_int_list()) return std::nullopt;
  const auto spatial = [&](const std::string& argument, int64_t otherwise) {
    std::vector<int64_t> values = node.arg(argument).as_ints();
    values.resize(rank, values.empty() ? otherwise : values.front());
    if (rank == 1) values.insert(values.begin(), otherwise);
    return values;
  };
  window.groups = node.arg("groups").as_int();
  window.kernel.assign(sizes.begin() + 2, sizes.end());
  if (rank == 1) window.kernel.insert(window.kernel.begin(), 1);
  window.stride = spatial("stride", 1);
  window.padding = spatial("padding", 0);
  window.dilation = spatial("dilation", 1);
  return window;
}

}  // namespace tinyml::quantization
