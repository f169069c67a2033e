// The layers behind core ATen operators.
#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "graph/node_notes.h"
#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

using Args = std::vector<NamedArgument>;

/// One operator in the place of another.
struct Call {
  std::string op;
  Args args;
};

/// The arguments that both operators have under the same names.
Args shared_args(const Node& node, std::initializer_list<const char*> names) {
  Args args;
  for (const char* name : names) args.push_back({name, node.arg(name)});
  return args;
}

int64_t rank_of(const Graph& graph, ValueId value) { return graph.tensor_type(value).rank(); }

std::optional<Call> recompose_convolution(const Graph& graph, const Node& node) {
  if (!node.arg("weight").is_value() || !node.arg("transposed").is_bool()) return std::nullopt;
  const int64_t spatial = rank_of(graph, node.arg("weight").as_value()) - 2;
  if (spatial < 1 || spatial > 3) return std::nullopt;
  const bool transposed = node.arg("transposed").as_bool();
  Args args = shared_args(node, {"input", "weight", "bias", "stride", "padding", "dilation", "groups"});
  if (transposed) args.push_back({"output_padding", node.arg("output_padding")});
  const std::string name = (transposed ? "aten.conv_transpose" : "aten.conv") + std::to_string(spatial) + "d";
  return Call{name + (transposed && spatial > 1 ? ".input" : ".default"), std::move(args)};
}

std::optional<Call> recompose_batch_norm(const Graph&, const Node& node) {
  Args args = shared_args(node, {"input", "weight", "bias", "running_mean", "running_var", "momentum", "eps"});
  args.push_back({"training", false});
  args.push_back({"cudnn_enabled", true});
  return Call{"aten.batch_norm.default", std::move(args)};
}

std::optional<Call> recompose_layer_norm(const Graph&, const Node& node) {
  return Call{"aten.layer_norm.default", shared_args(node, {"input", "normalized_shape", "weight", "bias", "eps"})};
}

std::optional<Call> recompose_group_norm(const Graph&, const Node& node) {
  Args args = shared_args(node, {"input", "weight", "bias", "eps"});
  args.push_back({"num_groups", node.arg("group")});
  return Call{"aten.group_norm.default", std::move(args)};
}

std::optional<Call> recompose_softmax(const Graph&, const Node& node) {
  if (node.arg("half_to_float").as_bool()) return std::nullopt;
  return Call{node.op == "aten._softmax.default" ? "aten.softmax.int" : "aten.log_softmax.int",
              shared_args(node, {"self", "dim"})};
}

std::optional<Call> recompose_max_pool(const Graph&, const Node& node) {
  return Call{node.op == "aten.max_pool2d_with_indices.default" ? "aten.max_pool2d.default" : "aten.max_pool3d.default",
              shared_args(node, {"self", "kernel_size", "stride", "padding", "dilation", "ceil_mode"})};
}

std::optional<Call> recompose_average_pool(const Graph&, const Node& node) {
  return Call{node.op == "aten._adaptive_avg_pool2d.default" ? "aten.adaptive_avg_pool2d.default"
                                                             : "aten.adaptive_avg_pool3d.default",
              shared_args(node, {"self", "output_size"})};
}

std::optional<Call> recompose_attention(const Graph&, const Node& node) {
  return Call{"aten.scaled_dot_product_attention.default",
              shared_args(node, {"query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale"})};
}

/// The value without the expansion over a batch in front of its matrix.
ValueId without_batch(const Graph& graph, ValueId value) {
  const NodeId producer = graph.value(value).producer;
  if (producer == kNoNode || graph.node(producer).op != "aten.expand.default") return value;
  const ValueId matrix = graph.node(producer).args[0].value.as_value();
  const Shape& from = graph.tensor_type(matrix).shape;
  const Shape& to = graph.tensor_type(value).shape;
  const bool same = from.size() == 2 && to.size() > 2 && std::equal(from.begin(), from.end(), to.end() - 2);
  return same ? matrix : value;
}

/// The matrix that the value is the transpose of, if it is a placeholder's.
std::optional<ValueId> transposed_parameter(const Graph& graph, ValueId value) {
  const NodeId producer = graph.value(value).producer;
  if (producer == kNoNode || rank_of(graph, value) != 2) return std::nullopt;
  const Node& node = graph.node(producer);
  const bool is_transpose = node.op == "aten.t.default" || node.op == "aten.transpose.int" ||
                            (node.op == "aten.permute.default" && node.arg("dims").is_int_list());
  if (!is_transpose || !node.args[0].value.is_value()) return std::nullopt;
  if (node.op == "aten.permute.default") {
    const std::vector<int64_t> dims = node.arg("dims").as_ints();
    if ((dims[0] + 2) % 2 == 0) return std::nullopt;
  }
  if (node.op == "aten.transpose.int" && (node.arg("dim0").as_int() - node.arg("dim1").as_int()) % 2 == 0) {
    return std::nullopt;
  }
  const ValueId matrix = node.args[0].value.as_value();
  return graph.binding_of(matrix) != nullptr ? std::optional(matrix) : std::nullopt;
}

std::optional<Call> recompose_linear(const Graph& graph, const Node& node) {
  const bool has_bias = node.op == "aten.addmm.default";
  const ValueId second = node.arg("mat2").as_value();
  const std::optional<ValueId> weight = transposed_parameter(graph, second);
  if (!weight) return std::nullopt;
  const ValueId first = node.arg(has_bias ? "mat1" : "self").as_value();
  Args args{{"input", first}, {"weight", *weight}};
  if (has_bias) {
    const ValueId bias = node.arg("self").as_value();
    const bool plain = node.arg("alpha").as_double() == 1 && node.arg("beta").as_double() == 1;
    if (!plain || rank_of(graph, bias) != 1) return std::nullopt;
    if (graph.tensor_type(bias).sizes()[0] != graph.tensor_type(second).sizes()[1]) return std::nullopt;
    args.push_back({"bias", bias});
  }
  return Call{"aten.linear.default", std::move(args)};
}

/// A product of a batch with one matrix for all.
std::optional<Call> recompose_batched_linear(const Graph& graph, const Node& node) {
  const std::optional<ValueId> weight = transposed_parameter(graph, without_batch(graph, node.arg("mat2").as_value()));
  if (!weight) return std::nullopt;
  return Call{"aten.linear.default", {{"input", node.arg("self")}, {"weight", *weight}}};
}

using Recompose = std::optional<Call> (*)(const Graph&, const Node&);

Recompose find_rule(std::string_view op) {
  static const std::map<std::string_view, Recompose> rules{
      {"aten.convolution.default", recompose_convolution},
      {"aten._native_batch_norm_legit_no_training.default", recompose_batch_norm},
      {"aten.native_layer_norm.default", recompose_layer_norm},
      {"aten.native_group_norm.default", recompose_group_norm},
      {"aten._softmax.default", recompose_softmax},
      {"aten._log_softmax.default", recompose_softmax},
      {"aten.max_pool2d_with_indices.default", recompose_max_pool},
      {"aten.max_pool3d_with_indices.default", recompose_max_pool},
      {"aten._adaptive_avg_pool2d.default", recompose_average_pool},
      {"aten._adaptive_avg_pool3d.default", recompose_average_pool},
      {"aten._scaled_dot_product_flash_attention_for_cpu.default", recompose_attention},
      {"aten.addmm.default", recompose_linear},
      {"aten.mm.default", recompose_linear},
      {"aten.bmm.default", recompose_batched_linear}};
  const auto found = rules.find(op);
  return found == rules.end() ? nullptr : found->second;
}

/// Statistics, indices and log-sums that only training reads.
bool reads_more_than_the_first(const Graph& graph, const Node& node) {
  return std::any_of(node.outputs.begin() + 1, node.outputs.end(),
                     [&](ValueId value) { return value != kNoValue && !graph.is_unused(value); });
}

/// The operator's result; its name stays.
ValueId replace(Graph& graph, NodeId id, Call call) {
  const ValueId old = graph.node(id).outputs[0];
  const std::string name = graph.value(old).name;
  TensorType type = graph.tensor_type(old);
  graph.rename_value(old, name + "_core");
  Args args = make_args(call.op, std::move(call.args));
  const ValueId result = graph.add_operator(std::move(call.op), std::move(args), std::move(type), id, id);
  graph.rename_value(result, name);
  graph.replace_all_uses(old, result);
  graph.erase_node(id);
  return result;
}

/// A linear layer between the reshape of its input to a matrix and the reshape of its result back: of the tensor
/// itself.
void drop_matrix_form(Graph& graph, ValueId result) {
  const NodeId linear = graph.value(result).producer;
  const NodeId before = graph.value(graph.node(linear).args[0].value.as_value()).producer;
  if (before == kNoNode || !is_reshape(graph.node(before))) return;
  const ValueId whole = graph.node(before).args[0].value.as_value();
  Shape expected = graph.tensor_type(whole).shape;
  const Shape& matrix = graph.tensor_type(result).shape;
  if (expected.size() < 2 || matrix.size() != 2 || graph.is_output(result)) return;
  if (expected.back() != graph.tensor_type(graph.node(linear).args[0].value.as_value()).shape.back()) return;
  expected.back() = matrix.back();
  for (const NodeId user : std::vector<NodeId>(graph.value(result).users)) {
    if (!is_reshape(graph.node(user)) || graph.tensor_type(graph.node(user).output()).shape != expected) return;
  }
  for (const NodeId user : std::vector<NodeId>(graph.value(result).users)) {
    graph.replace_all_uses(graph.node(user).output(), result);
    graph.erase_node(user);
  }
  TensorType type = graph.tensor_type(result);
  type.shape = std::move(expected);
  type.strides.clear();
  graph.set_tensor_type(result, std::move(type));
  graph.set_arg(linear, 0, whole);
}

/// A parameter that is added to the result alone is the layer's bias.
void absorb_bias(Graph& graph, ValueId result) {
  const NodeId linear = graph.value(result).producer;
  const std::vector<NodeId>& users = graph.value(result).users;
  if (!graph.node(linear).arg("bias").is_none() || users.size() != 1 || graph.is_output(result)) return;
  const Node& add = graph.node(users[0]);
  if (add.op != "aten.add.Tensor" || add.arg("alpha").as_double() != 1) return;
  const Argument& other = add.args[add.arg("self") == Argument(result) ? 1 : 0].value;
  if (!other.is_value() || graph.binding_of(other.as_value()) == nullptr) return;
  const Shape& bias = graph.tensor_type(other.as_value()).shape;
  if (bias.size() != 1 || bias[0] != graph.tensor_type(result).shape.back()) return;
  const NodeId sum = users[0];
  graph.set_arg(linear, graph.node(linear).arg_index("bias"), other);
  graph.replace_all_uses(graph.node(sum).output(), result);
  graph.erase_node(sum);
}

}  // namespace

Graph recompose_layers(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    if (!graph.is_alive(id)) continue;
    const Node& node = graph.node(id);
    const Recompose rule = find_rule(node.op);
    if (rule == nullptr || node.outputs.empty() || reads_more_than_the_first(graph, node)) continue;
    std::optional<Call> call = rule(graph, node);
    if (!call) continue;
    const bool is_linear = call->op == "aten.linear.default";
    const ValueId result = replace(graph, id, *std::move(call));
    if (!is_linear) continue;
    drop_matrix_form(graph, result);
    absorb_bias(graph, result);
  }
  graph.erase_dead_nodes();
  return graph;
}

}  // namespace tinyml
