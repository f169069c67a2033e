#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>

#include "quantize/module_names.h"
#include "quantize/unfold_batch_norms.h"
#include "tinyml/quantize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

using quantization::base_name;

/// Layer class of torch.nn -> the class that has a batch norm folded in.
const std::map<std::string, std::string, std::less<>>& folded_classes() {
  static const std::map<std::string, std::string, std::less<>> classes = {
      {"torch.nn.modules.conv.Conv1d", "tinyml.nn.qat_conv.ConvBn1d"},
      {"torch.nn.modules.conv.Conv2d", "tinyml.nn.qat_conv.ConvBn2d"},
      {"torch.nn.modules.conv.Conv3d", "tinyml.nn.qat_conv.ConvBn3d"},
      {"torch.nn.modules.conv.ConvTranspose1d", "tinyml.nn.qat_conv.ConvTransposeBn1d"},
      {"torch.nn.modules.conv.ConvTranspose2d", "tinyml.nn.qat_conv.ConvTransposeBn2d"},
      {"torch.nn.modules.conv.ConvTranspose3d", "tinyml.nn.qat_conv.ConvTransposeBn3d"},
      {"torch.nn.modules.linear.Linear", "tinyml.nn.qat_conv.LinearBn1d"},
  };
  return classes;
}

/// A layer and the batch norm after it.
struct Pair {
  NodeId layer = kNoNode;
  NodeId norm = kNoNode;
  std::string layer_path;
  std::string norm_path;
  std::string folded_class;
  int64_t channel_axis = 0;
};

/// As Python's imports: ".bn" beside the layer, "..norms.0" in the module around the layer's.
std::string relative_path(const std::string& layer, const std::string& norm) {
  std::string dots = ".";
  for (std::string parent = layer;; dots += ".") {
    const size_t dot = parent.rfind('.');
    if (dot == std::string::npos) return dots + norm;
    parent.resize(dot);
    if (norm.starts_with(parent + ".")) return dots + norm.substr(dot + 1);
  }
}

class Fuser {
 public:
  explicit Fuser(const Graph& graph) : graph_(graph) { count_calls(); }

  Graph run() {
    std::set<std::string> norms;
    for (const NodeId id : graph_.nodes()) {
      if (graph_.node(id).op == "aten.batch_norm.default") norms.insert(graph_.node(id).module_path());
    }
    for (const std::string& path : norms) fold_all(path);
    return std::move(graph_);
  }

 private:
  void count_calls() {
    for (const NodeId id : graph_.nodes()) {
      const auto& stack = graph_.node(id).metadata.module_stack;
      if (stack.empty()) continue;
      nodes_at_[stack.back().path].push_back(id);
      ++nodes_in_[stack.back().key];
    }
  }

  /// Every call of the norm, if each stands behind a call of one layer that nothing else follows.
  void fold_all(const std::string& norm_path) {
    const auto calls = nodes_at_.find(norm_path);
    if (calls == nodes_at_.end()) return;
    std::vector<Pair> pairs;
    for (const NodeId id : calls->second) {
      const std::optional<Pair> pair = find_pair(id);
      if (!pair || (!pairs.empty() && pair->layer_path != pairs[0].layer_path)) return;
      pairs.push_back(*pair);
    }
    if (nodes_at_.at(pairs[0].layer_path).size() != pairs.size()) return;
    for (const Pair& pair : pairs) fold(pair);
    rename_tensors(pairs[0]);
  }

  /// Whether the node is all that a call of its module does, and the argument is the module's own tensor of that name,
  /// read by its calls alone.
  bool owns(const Node& node, std::string_view argument) const {
    if (node.metadata.module_stack.empty() || nodes_in_.at(node.metadata.module_stack.back().key) != 1) return false;
    const Argument& value = node.arg(argument);
    if (value.is_none()) return true;
    const Binding* binding = value.is_value() ? graph_.binding_of(value.as_value()) : nullptr;
    return binding != nullptr && binding->fqn == fmt::format("{}.{}", node.module_path(), argument) &&
           graph_.value(binding->value).users.size() == nodes_at_.at(node.module_path()).size();
  }

  std::optional<Pair> find_pair(NodeId norm_id) const {
    const Node& norm = graph_.node(norm_id);
    if (norm.op != "aten.batch_norm.default") return std::nullopt;
    for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
      if (!owns(norm, name)) return std::nullopt;
    }
    if (norm.arg("weight").is_none() != norm.arg("bias").is_none()) return std::nullopt;
    if (!norm.arg("running_mean").is_value() || !norm.arg("running_var").is_value()) return std::nullopt;
    if (!norm.metadata.module_stack.back().type.starts_with("torch.nn.modules.batchnorm.BatchNorm"))
      return std::nullopt;
    if (!norm.arg("training").is_bool() || norm.arg("training").as_bool()) return std::nullopt;
    const ValueId between = norm.arg("input").as_value();
    const Value& value = graph_.value(between);
    if (value.producer == kNoNode || value.users.size() != 1 || graph_.is_output(between)) return std::nullopt;
    const Node& layer = graph_.node(value.producer);
    if (layer.metadata.module_stack.empty()) return std::nullopt;
    const auto folded = folded_classes().find(layer.metadata.module_stack.back().type);
    if (folded == folded_classes().end() || !layer.has_arg("weight") || !layer.has_arg("bias")) return std::nullopt;
    if (!owns(layer, "weight") || !owns(layer, "bias")) return std::nullopt;
    Pair pair{value.producer, norm_id, layer.module_path(), norm.module_path(), folded->second, 0};
    if (base_name(layer.op) == "linear" && value.tensor.rank() != 2) return std::nullopt;
    if (base_name(layer.op).starts_with("conv_transpose")) {
      const bool depthwise = graph_.tensor_type(layer.arg("weight").as_value()).sizes().at(1) == 1;
      if (layer.arg("groups").as_int() == 1) {
        pair.channel_axis = 1;
      } else if (!depthwise) {
        return std::nullopt;
      }
    }
    return pair;
  }

  ValueId emit(const Pair& pair, const char* op, std::vector<NamedArgument> args, TensorType type) {
    type.requires_grad = false;
    return graph_.add_operator(op, make_args(op, std::move(args)), std::move(type), pair.layer, pair.layer);
  }

  void fold(const Pair& pair) {
    const Node norm = graph_.node(pair.norm);
    graph_.metadata(pair.layer).module_stack.back().type = pair.folded_class;
    graph_.metadata(pair.layer).other["tinyml.bn_momentum"] = fmt::format("{}", norm.arg("momentum").as_double());
    graph_.metadata(pair.layer).other["tinyml.bn_path"] = pair.norm_path;
    if (quantization::usual_norm_path(pair.layer_path) != pair.norm_path) {
      graph_.metadata(pair.layer).other["tinyml.bn_name"] = relative_path(pair.layer_path, pair.norm_path);
    }
    const Node layer = graph_.node(pair.layer);
    const ValueId weight = layer.arg("weight").as_value();
    const ValueId mean = norm.arg("running_mean").as_value();
    const ValueId variance = norm.arg("running_var").as_value();
    const TensorType channels = graph_.tensor_type(mean);

    const ValueId shifted =
        emit(pair, "aten.add.Tensor", {{"self", variance}, {"other", norm.arg("eps").as_double()}}, channels);
    ValueId factor = emit(pair, "aten.rsqrt.default", {{"self", shifted}}, channels);
    if (norm.arg("weight").is_value()) {
      factor = emit(pair, "aten.mul.Tensor", {{"self", norm.arg("weight")}, {"other", factor}}, channels);
    }
    const TensorType weight_type = graph_.tensor_type(weight);
    std::vector<int64_t> shape(weight_type.shape.size(), 1);
    std::vector<int64_t> sizes = shape;
    shape[static_cast<size_t>(pair.channel_axis)] = -1;
    sizes[static_cast<size_t>(pair.channel_axis)] = channels.sizes().at(0);
    const ValueId row = emit(pair, "aten.reshape.default", {{"self", factor}, {"shape", Argument::ints(shape)}},
                             TensorType::of(channels.type, sizes));
    const ValueId folded = emit(pair, "aten.mul.Tensor", {{"self", weight}, {"other", row}}, weight_type);

    ValueId bias = kNoValue;
    if (layer.arg("bias").is_value()) {
      bias = emit(pair, "aten.sub.Tensor", {{"self", layer.arg("bias")}, {"other", mean}}, channels);
    } else {
      bias = emit(pair, "aten.neg.default", {{"self", mean}}, channels);
    }
    bias = emit(pair, "aten.mul.Tensor", {{"self", bias}, {"other", factor}}, channels);
    if (norm.arg("bias").is_value()) {
      bias = emit(pair, "aten.add.Tensor", {{"self", norm.arg("bias")}, {"other", bias}}, channels);
    }
    graph_.set_arg(pair.layer, layer.arg_index("weight"), folded);
    graph_.set_arg(pair.layer, layer.arg_index("bias"), bias);
    graph_.replace_all_uses(norm.output(), layer.output());
    graph_.erase_node(pair.norm);
  }

  void rename_tensors(const Pair& pair) {
    const std::string prefix = pair.norm_path + ".";
    std::vector<ValueId> tensors;
    for (const Binding& binding : graph_.bindings()) {
      if (binding.fqn.starts_with(prefix)) tensors.push_back(binding.value);
    }
    for (const ValueId tensor : tensors) {
      const std::string name = graph_.binding_of(tensor)->fqn.substr(prefix.size());
      graph_.rename_binding(tensor, fmt::format("{}.bn.{}", pair.layer_path, name));
    }
  }

  Graph graph_;
  std::map<std::string, int> nodes_in_;                  ///< Key of a module call -> nodes whose innermost call it is.
  std::map<std::string, std::vector<NodeId>> nodes_at_;  ///< Module path -> nodes whose innermost module it is.
};

}  // namespace

Graph fuse(const Graph& graph) { return Fuser(graph).run(); }

}  // namespace tinyml
